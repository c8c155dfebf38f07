"""The HTTPS front of one emulated cluster: from the socket to the handlers and back."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from nftwave.lab.api import channels
from nftwave.lab.api.answering import send, send_half, send_nothing, send_stream
from nftwave.lab.api.audit import Audit
from nftwave.lab.api.auth import Credentials, authorize
from nftwave.lab.api.calls import Answer, Call, Exec, Stream, json_answer
from nftwave.lab.api.faults import HANGS_FOR, ApiFaults
from nftwave.lab.api.handlers import Handlers
from nftwave.lab.api.requestinfo import parse_request
from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from nftwave.lab.api.backend import Backend
    from nftwave.lab.api.requestinfo import RequestInfo
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.pki import KeyPair
    from nftwave.lab.store.store import Store

# Bytes; Kubernetes 1.36 source: MaxRequestBodyBytes.
_BODY_LIMIT = 3 * 1024 * 1024

_SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


class ApiServer:
    """An emulated kube-apiserver.

    Attributes:
        name: of the cluster.
        store: its objects; controllers write to it directly.
        credentials: who is believed.
        faults: what goes wrong on purpose.
        audit: what was asked and done.
        url: where it serves; empty before `start`.
    """

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        name: str,
        version: str = "v1.36.2",
        credentials: Credentials | None = None,
        faults: ApiFaults | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self.credentials = credentials or Credentials()
        self.faults = faults or ApiFaults()
        self.audit = Audit()
        self.url = ""
        self._handlers = Handlers(store, backend, version=version)
        self._runner: web.ServerRunner | None = None

    async def start(self, host: str, port: int = 0) -> str:
        """Serve on that address, on a free port if none is given; returns the URL.

        Namespaces that every cluster has are made if they are missing.
        """
        for namespace in _SYSTEM_NAMESPACES:
            if self.store.get("namespaces", None, namespace) is None:
                self.store.create("namespaces", _namespace(namespace), manager="kube-apiserver")
        pair = self.credentials.authority.server([host, "localhost", "127.0.0.1", "kubernetes"])
        context = _tls(pair, self.credentials.authority.cert_pem)
        # Cancelled handlers are how a watch learns that its client has gone.
        server = web.Server(self._serve, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context, backlog=512)
        await site.start()
        _, bound = self._runner.addresses[0][:2]
        self.url = f"https://{host}:{bound}"
        return self.url

    def claim_version(self, version: str) -> None:
        """Say another version from now on."""
        self._handlers.version = version

    async def stop(self) -> None:
        """Close the port and all connections; open watches end."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        info = parse_request(request.method, request.rel_url.raw_path, request.rel_url.query)
        self.audit.count(info)
        met = self.faults.next_request(info)
        fault = met.name if met else None
        call: Call | None = None
        if met and fault == "api-hang":
            self.audit.attempted(info, request.method, fault=fault)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(met.released.wait(), HANGS_FOR)
            return send_nothing(request)
        try:
            _meet(fault)
            call = await self._call(request, info)
            address = self.url.removeprefix("https://")
            answer = await self._handlers.answer(call, address)
        except status.ApiStatus as error:
            plain = json_answer(error.code, error.as_json())
            answer = Answer(error.code, plain.body, headers=error.headers)
        except _TooManyRequestsError:
            answer = _TOO_MANY_REQUESTS
        if isinstance(answer, Stream):
            self.audit.answered(200)
            return await send_stream(request, info, answer, self.audit, self.faults)
        if isinstance(answer, Exec):
            self.audit.answered(101)
            return await channels.run(request, answer, reset=fault == "api-reset")
        self._note(info, call, answer, request, fault)
        if fault == "api-lost":
            return send_nothing(request)
        if fault == "api-reset":
            return await send_half(request, answer, self.audit)
        return await send(request, answer, self.audit)

    async def _call(self, request: web.BaseRequest, info: RequestInfo) -> Call:
        peer = request.transport.get_extra_info("peercert") if request.transport else None
        user = self.credentials.authenticate(peer, request.headers.get("Authorization"))
        authorize(user, info)
        return Call(
            info=info,
            query=request.rel_url.query,
            user=user,
            body=await _read(request),
            accept=request.headers.get("Accept", ""),
            content_type=request.headers.get("Content-Type", ""),
            user_agent=request.headers.get("User-Agent", ""),
            command=tuple(request.rel_url.query.getall("command", ())),
            offered=tuple(
                one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")
            ),
        )

    def _note(
        self,
        info: RequestInfo,
        call: Call | None,
        answer: Answer,
        request: web.BaseRequest,
        fault: str | None,
    ) -> None:
        self.audit.answered(answer.code)
        done = call is not None and answer.code < 400
        self.audit.attempted(
            info,
            request.method,
            user_agent=request.headers.get("User-Agent", ""),
            status=answer.code,
            dry_run=call.dry_run if call and done else bool(request.rel_url.query.get("dryRun")),
            fault=fault or "",
        )
        if call is None or not done:
            return
        self.audit.mutated(
            info,
            name=info.name or answer.name,
            dry_run=call.dry_run,
            user=call.user.name,
            user_agent=call.user_agent,
            status=answer.code,
            resource_version=self.store.resource_version,
        )


class _TooManyRequestsError(Exception):
    """Refused before it was looked at."""


# Plain text, not a Status: Kubernetes 1.36 source, apiserver/pkg/server/filters/maxinflight.go.
_TOO_MANY_REQUESTS = Answer(
    429,
    b"Too many requests, please try again later.\n",
    "text/plain; charset=utf-8",
    {"Retry-After": "1", "X-Content-Type-Options": "nosniff"},
)


def _meet(fault: str | None) -> None:
    if fault == "api-429":
        raise _TooManyRequestsError
    if fault == "api-500":
        raise status.internal_error("the lab's fault api-500")


async def _read(request: web.BaseRequest) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > _BODY_LIMIT:
            raise status.entity_too_large(_BODY_LIMIT)
        parts.append(part)
    return b"".join(parts)


def _tls(pair: KeyPair, authority_pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=authority_pem)
    context.set_alpn_protocols(["http/1.1"])
    with tempfile.TemporaryDirectory() as folder:
        cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
        cert.write_text(pair.cert_pem)
        key.write_text(pair.key_pem)
        context.load_cert_chain(cert, key)
    return context


def _namespace(name: str) -> Object:
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
