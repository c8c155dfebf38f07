"""What processes read from and write to. Text throughout; bytes only at the SSH channel."""

from __future__ import annotations

import asyncio
from typing import Protocol

PIPE_SIZE = 65536  # characters; pipe(7): 16 pages


class BrokenPipe(Exception):
    """Nobody reads any more."""


class Source(Protocol):
    """Something to read from."""

    async def read(self) -> str:
        """What is there, or wait; empty at the end."""
        ...

    async def readline(self) -> str:
        """One line with its end; without one only at the end of the source."""
        ...


class Sink(Protocol):
    """Something to write to."""

    async def write(self, text: str) -> None:
        """Write. Raises BrokenPipe."""
        ...


class Pipe:
    """One writer's end and one reader's end."""

    def __init__(self) -> None:
        self._text = ""
        self._place = 0  # what is before it has been read
        self._ended = False
        self._broken = False
        self._changed = asyncio.Event()

    async def write(self, text: str) -> None:
        """Write; wait while the pipe is full. Raises BrokenPipe."""
        while len(self._text) - self._place >= PIPE_SIZE and not self._broken:
            await self._wait()
        if self._broken:
            raise BrokenPipe
        self._text = self._text[self._place :] + text
        self._place = 0
        self._changed.set()

    def end(self) -> None:
        """The writer is done."""
        self._ended = True
        self._changed.set()

    def abandon(self) -> None:
        """The reader is done."""
        self._broken = True
        self._changed.set()

    async def read(self) -> str:
        """What is there, or wait; empty at the end."""
        while self._place == len(self._text) and not self._ended:
            await self._wait()
        return self._take(len(self._text))

    async def readline(self) -> str:
        """One line."""
        found = ""
        while True:
            end = self._text.find("\n", self._place) + 1
            # There is room again, also for the rest of a line that is longer than the pipe.
            found += self._take(end or len(self._text))
            if end or self._ended:
                return found
            await self._wait()

    def _take(self, end: int) -> str:
        text = self._text[self._place : end]
        self._place = end
        self._changed.set()
        return text

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class Content:
    """A source whose text is known: a file opened for reading, a here-document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    async def read(self) -> str:
        """The rest."""
        text = self._text[self._place :]
        self._place = len(self._text)
        return text

    async def readline(self) -> str:
        """One line."""
        end = self._text.find("\n", self._place)
        end = len(self._text) if end < 0 else end + 1
        line = self._text[self._place : end]
        self._place = end
        return line


class Capture:
    """A sink that keeps what was written: command substitution."""

    def __init__(self) -> None:
        self._chunks: list[str] = []

    async def write(self, text: str) -> None:
        """Keep the text."""
        self._chunks.append(text)

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(self._chunks)


async def read_all(source: Source) -> str:
    """Everything up to the end of the source."""
    chunks = []
    while chunk := await source.read():
        chunks.append(chunk)
    return "".join(chunks)
