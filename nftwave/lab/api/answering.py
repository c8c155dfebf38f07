"""Answers on their way out: compressed, streamed, or cut off on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import struct
from typing import TYPE_CHECKING

from aiohttp import web

from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from nftwave.lab.api.audit import Audit
    from nftwave.lab.api.calls import Answer, Stream
    from nftwave.lab.api.faults import ApiFaults
    from nftwave.lab.api.requestinfo import RequestInfo

# Bytes; Kubernetes 1.36 source: answers are compressed from this size on.
_GZIP_FROM = 128 * 1024

# The ERROR event of a watch whose place in the history is no longer known.
_GONE_STATUS = status.expired("too old resource version: the lab's fault api-410").as_json()
_GONE = json.dumps({"type": "ERROR", "object": _GONE_STATUS}).encode() + b"\n"

_HEADERS = {"Cache-Control": "no-cache, private"}


async def send(request: web.BaseRequest, answer: Answer, audit: Audit) -> web.StreamResponse:
    """The whole answer."""
    headers, body = await _ready(request, answer)
    audit.sent(len(body))
    return web.Response(status=answer.code, headers=headers, body=body)


def send_nothing(request: web.BaseRequest) -> web.StreamResponse:
    """A TCP reset before the first byte of an answer."""
    reset_connection(request)
    return web.Response()


async def send_half(request: web.BaseRequest, answer: Answer, audit: Audit) -> web.StreamResponse:
    """Half of the answer, then a TCP reset."""
    headers, body = await _ready(request, answer)
    response = web.StreamResponse(status=answer.code, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    audit.sent(len(body) // 2)
    reset_connection(request)
    return response


async def send_stream(
    request: web.BaseRequest, info: RequestInfo, answer: Stream, audit: Audit, faults: ApiFaults
) -> web.StreamResponse:
    """Chunk after chunk, until the answer ends or a fault breaks it."""
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": answer.content_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    events = 0
    async with contextlib.aclosing(answer.chunks) as chunks:
        async for chunk in chunks:
            await response.write(chunk)
            audit.sent(len(chunk))
            events = events + chunk.count(b"\n") if faults.concerns_watch(info) else 0
            ended_by = faults.ends_watch(info, events)
            if ended_by == "api-reset":
                reset_connection(request)
                return response
            if ended_by is not None:
                await response.write(_GONE)
                break
    await response.write_eof()
    return response


async def _ready(request: web.BaseRequest, answer: Answer) -> tuple[dict[str, str], bytes]:
    headers = {**_HEADERS, **answer.headers, "Content-Type": answer.content_type}
    if len(answer.body) < _GZIP_FROM or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return headers, answer.body
    # Level 1, as the real server; in a thread, so that others are served meanwhile.
    body = await asyncio.to_thread(gzip.compress, answer.body, 1)
    return {**headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}, body


def reset_connection(request: web.BaseRequest) -> None:
    """End the connection with a TCP reset."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # Lingering for 0 seconds turns the close into a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
