"""A few seconds in which signals wait: for what must not be left half done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def shielded() -> Iterator[None]:
    """Ignore Ctrl-C, SIGTERM and a closed terminal meanwhile; the run is being ended anyway.

    Only the main thread gets signals, and only it may set handlers; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def later(number: int, _: FrameType | None) -> None:
        """Heard: the hold is being set, then the run ends."""

    before = {number: signal.signal(number, later) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
