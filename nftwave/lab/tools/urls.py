"""One request of `curl` or `wget` on a node: connect, perhaps TLS, ask, read."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nftwave.lab.shell.process import ConnectError
from nftwave.lab.shell.streams import read_all

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Connection

PORTS = {"http": 80, "https": 443}
# curl(1), EXIT CODES
UNSUPPORTED, NO_HOST, REFUSED, TIMED_OUT, TLS, EMPTY, UNTRUSTED = 1, 6, 7, 28, 35, 52, 60


class FetchError(Exception):
    """No answer: curl's exit status, and its words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Fetched:
    """An answer."""

    status: int
    head: str
    body: str
    connected_after: float


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch, and how long to wait: seconds of the node, None for as long as it takes."""

    url: str
    connect_within: float | None = None
    within: float | None = None
    trusting: bool = False


async def fetch(call: Call, request: Request) -> Fetched:
    """The answer to a GET. Raises FetchError."""
    parts = urlsplit(request.url if "://" in request.url else f"http://{request.url}")
    if parts.scheme not in PORTS:
        raise FetchError(UNSUPPORTED, f'Protocol "{parts.scheme}" not supported')
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    began = time.monotonic()
    try:
        async with asyncio.timeout(_lasts(call, request.within)):
            connection = await _connect(call, request, host, port)
            connected_after = time.monotonic() - began
            if parts.scheme == "https":
                await _secure(connection, trusting=request.trusting)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            await connection.write(
                f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
            )
            return _parse(await read_all(connection), connected_after)
    except TimeoutError as error:
        spent = _milliseconds(began)
        raise FetchError(
            TIMED_OUT, f"Operation timed out after {spent} milliseconds with 0 bytes received"
        ) from error


async def _connect(call: Call, request: Request, host: str, port: int) -> Connection:
    began = time.monotonic()
    try:
        async with asyncio.timeout(_lasts(call, request.connect_within)):
            return await call.machine.connect("tcp", host, port)
    except TimeoutError as error:
        spent = _milliseconds(began)
        raise FetchError(TIMED_OUT, f"Connection timed out after {spent} milliseconds") from error
    except ConnectError as error:
        if "not known" in str(error):
            raise FetchError(NO_HOST, f"Could not resolve host: {host}") from error
        code = TIMED_OUT if "timed out" in str(error) else REFUSED
        raise FetchError(
            code,
            f"Failed to connect to {host} port {port} after {_milliseconds(began)} ms: "
            "Couldn't connect to server",
        ) from error


async def _secure(connection: Connection, *, trusting: bool) -> None:
    if not await connection.secure():
        raise FetchError(TLS, "error:0A00010B:SSL routines::wrong version number")
    if not trusting:
        raise FetchError(
            UNTRUSTED, "SSL certificate problem: unable to get local issuer certificate"
        )


def _parse(text: str, connected_after: float) -> Fetched:
    if not text:
        raise FetchError(EMPTY, "Empty reply from server")
    head, _, body = text.partition("\r\n\r\n")
    return Fetched(int(head.split()[1]), head + "\r\n\r\n", body, connected_after)


def _lasts(call: Call, seconds: float | None) -> float | None:
    return None if seconds is None else call.machine.lasts(seconds)


def _milliseconds(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
