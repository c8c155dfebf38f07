"""A few seconds in which signals wait: for what must not be left half done."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import FrameType

from tasks.signals import handled_by


def shielded() -> AbstractContextManager[None]:
    """Ignore Ctrl-C, SIGTERM and a closed terminal meanwhile; the run is being ended anyway."""

    def later(number: int, _: FrameType | None) -> None:
        """Heard: the hold is being set, then the run ends."""

    return handled_by(later)
