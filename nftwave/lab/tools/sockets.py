"""A TCP connection that a program on a node has open, and who answers on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.kernel.flows import Flow
    from nftwave.lab.pace import Pace
    from nftwave.lab.tools.answers import Answer

END_OF_HEAD = "\r\n\r\n"
IDLE = 10.0  # seconds after which API server and CoreDNS close a connection that says nothing
NOT_TLS = (
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"  # Go's
)


@dataclass(frozen=True, slots=True)
class Peer:
    """The server at the other end.

    Attributes:
        answer: its answer to a GET of a path; None where it speaks no HTTP.
    """

    answer: Callable[[str], Answer | None]
    tls: bool = False


class Socket:
    """Both a source and a sink of text. It is open as long as somebody has it."""

    def __init__(self, peer: Peer, pace: Pace, flow: Flow | None = None) -> None:
        self._peer = peer
        self._pace = pace
        self._flow = flow
        self._sent = ""
        self._received = ""
        self._secured = self._ended = False
        self._news = asyncio.Event()

    async def secure(self) -> bool:
        """Shake hands for TLS; False where the other end speaks none."""
        self._secured = self._peer.tls
        return self._peer.tls

    async def write(self, text: str) -> None:
        """Send. On a connection that was cut it goes nowhere, and nobody is told."""
        self._sent += text
        if not self._cut and END_OF_HEAD in self._sent.replace("\n\n", END_OF_HEAD):
            self._reply()
        self._news.set()

    @property
    def _cut(self) -> bool:
        return self._flow is not None and self._flow.cut

    def _reply(self) -> None:
        head, self._sent = self._sent, ""
        if self._peer.tls and not self._secured:
            self._received, self._ended = self._received + NOT_TLS, True
            return
        words = head.split()
        answer = self._peer.answer(words[1]) if len(words) > 1 else None
        if answer is None:
            self._ended = True
            return
        self._received += answer.head() + answer.body
        self._ended = "HTTP/1.0" in head or "connection: close" in head.lower()

    async def read(self) -> str:
        """What came, or wait; empty at the end."""
        if not self._received and not self._ended:
            await self._wait()
        text, self._received = self._received, ""
        return text

    async def readline(self) -> str:
        """One line, or what there is."""
        if not self._received and not self._ended:
            await self._wait()
        end = self._received.find("\n") + 1 or len(self._received)
        line, self._received = self._received[:end], self._received[end:]
        return line

    async def _wait(self) -> None:
        """Wait for an answer, or until the other end closes; for ever where nothing gets there."""
        while not self._received and not self._ended:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), self._pace.lasts(IDLE))
            except TimeoutError:
                self._ended = not self._cut
