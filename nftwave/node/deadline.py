"""A time budget that closes what it guards when it runs out.

paramiko has calls that no timeout reaches (`exec_command` waits for the server's word for ever, and
`recv_exit_status` too: paramiko issue 1815), but every one of them ends when its transport or
socket is closed. So a deadline is kept from outside, by closing.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Closeable(Protocol):
    """A socket, a channel or a transport."""

    def close(self) -> None:
        """End it now; harmless when called twice."""


class Deadline:
    """A budget of `seconds`, counted by the monotonic clock from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds
        self._guarded: set[Closeable] = set()
        self._lock = threading.Lock()

    def remaining(self) -> float:
        """Seconds left, never less than 0."""
        return max(0.0, self._ends - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether nothing is left of it."""
        return self.remaining() <= 0

    def expire(self) -> None:
        """End the budget now, and close what it guards."""
        with self._lock:
            self._ends = min(self._ends, time.monotonic())
            guarded = list(self._guarded)
        for thing in guarded:
            thing.close()

    @contextmanager
    def closes(self, thing: Closeable) -> Iterator[None]:
        """Inside this block, `thing` is closed when the budget runs out."""
        timer = threading.Timer(self.remaining(), thing.close)
        timer.daemon = True
        with self._lock:
            self._guarded.add(thing)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._guarded.discard(thing)
