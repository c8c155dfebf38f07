"""The WebSocket of a remote command: channels 0 to 4, each message led by its channel's number.

Source: Kubernetes 1.36, k8s.io/streaming (v4) and the v5 protocol of KEP-4006, whose channel 255
says which channel its sender has closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from nftwave.lab.api.answering import reset_connection
from nftwave.lab.shell.streams import BrokenPipe, Content, Pipe

if TYPE_CHECKING:
    from nftwave.lab.api.calls import Exec
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.shell.streams import Source

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
FRAME = 32 * 1024  # bytes


class Outgoing:
    """One of the channels that the server writes to."""

    def __init__(self, socket: web.WebSocketResponse, channel: int) -> None:
        self._socket = socket
        self._channel = bytes([channel])

    async def write(self, text: str) -> None:
        """Send; raises BrokenPipe when nobody listens any more."""
        encoded = text.encode(errors="surrogateescape")
        try:
            for place in range(0, len(encoded) or 1, FRAME):
                await self._socket.send_bytes(self._channel + encoded[place : place + FRAME])
        except ConnectionError as error:
            raise BrokenPipe from error


class Nowhere:
    """An output that was not asked for."""

    async def write(self, text: str) -> None:
        """Forget."""


async def run(request: web.BaseRequest, command: Exec, *, reset: bool) -> web.StreamResponse:
    """Carry a command's streams until it ends or the client goes; `reset`: to no end."""
    socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False)
    await socket.prepare(request)
    if reset:
        reset_connection(request)
        return socket
    channels = {
        STDOUT: Outgoing(socket, STDOUT) if command.stdout else Nowhere(),
        STDERR: Outgoing(socket, STDERR) if command.stderr else Nowhere(),
    }
    stdin = Pipe()
    # An empty message tells the client that all is in place.
    with contextlib.suppress(BrokenPipe):
        await Outgoing(socket, STDOUT if command.stdout else STDERR).write("")
    source: Source = stdin if command.stdin else Content("")
    work = asyncio.ensure_future(command.run(source, channels[STDOUT], channels[STDERR]))
    listening = asyncio.ensure_future(_listen(socket, stdin))
    try:
        await asyncio.wait({work, listening}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            await _finish(socket, work.result())
    finally:
        work.cancel()
        listening.cancel()
    return socket


async def _finish(socket: web.WebSocketResponse, status: Object) -> None:
    with contextlib.suppress(BrokenPipe, ConnectionError):
        await Outgoing(socket, ERROR).write(json.dumps(status, separators=(",", ":")))
        await socket.close()


async def _listen(socket: web.WebSocketResponse, stdin: Pipe) -> None:
    """Take what the client sends, until it goes."""
    async for message in socket:
        if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT}:
            continue
        given = message.data.encode() if isinstance(message.data, str) else message.data
        if given[:1] == bytes([STDIN]):
            with contextlib.suppress(BrokenPipe):
                await stdin.write(given[1:].decode(errors="surrogateescape"))
        elif given == bytes([CLOSE, STDIN]):
            stdin.end()
    stdin.end()
