"""Waiting until few connections are at stake on a node: those that ipvs carries do not survive."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.node.deadline import Deadline
from nftwave.node.facts import Unknown
from nftwave.outcome import counted
from nftwave.prove import STOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.reaching import Opener, Probing

PAUSE = 3.0
"""Seconds between two looks."""
ESTABLISHED = "ESTABLISHED"


@dataclass(frozen=True)
class Quiet:
    """What came of waiting.

    Attributes:
        quiet: whether the node has few enough connections.
        connections: how many were established through ipvs at the last look that told; None where
            none did.
        words: both, for people.
    """

    quiet: bool
    connections: int | None
    words: str


def await_quiet(
    way: Opener,
    *,
    max_connections: int,
    wait_seconds: float,
    probe_deadline: float,
    tell: Callable[[str], None],
) -> Quiet:
    """Look at a node over one session until it is quiet or the time is over.

    What cannot be read is not quiet. A session that breaks is opened anew.

    Args:
        max_connections: established connections through ipvs that are few enough.
        wait_seconds: for all of it; 0 looks once.
        probe_deadline: seconds for one look, connecting included.
        tell: called with how many there are, whenever that changes.
    """
    until = time.monotonic() + wait_seconds
    looks = _Looks(way, probe_deadline)
    try:
        while True:
            told = looks.connections()
            if isinstance(told, int) and told <= max_connections:
                return Quiet(
                    quiet=True, connections=told, words=f"{_connections(told)}: few enough"
                )
            tell(f"waiting for at most {max_connections} connections: {_now(told)}")
            left = until - time.monotonic()
            if left <= 0 or STOP.is_set():
                words = _busy(told, looks.last, wait_seconds)
                return Quiet(quiet=False, connections=looks.last, words=words)
            STOP.wait(min(PAUSE, left))
    finally:
        looks.close()


class _Looks:
    """Looks at one node, over one session while it lasts."""

    def __init__(self, way: Opener, seconds: float) -> None:
        self._way = way
        self._seconds = seconds
        self._session: Probing | None = None
        self.last: int | None = None

    def connections(self) -> int | str:
        """Established connections through ipvs, or why they are not known."""
        deadline = Deadline(self._seconds)
        try:
            self._session = self._session or self._way(deadline)
            found = self._session.probe(deadline=deadline, reach=()).ipvs_connections
        except Unreachable as error:
            self.close()
            return error.what
        if isinstance(found, Unknown):
            return found.reason
        self.last = found.get(ESTABLISHED, 0)
        return self.last

    def close(self) -> None:
        """End the session, if there is one."""
        session, self._session = self._session, None
        if session:
            with suppress(Exception):
                session.close()


def _now(told: int | str) -> str:
    return f"{told} established" if isinstance(told, int) else f"unknown, {told}"


def _connections(number: int) -> str:
    return f"{counted(number, 'connection')} established through ipvs"


def _busy(told: int | str, last: int | None, waited: float) -> str:
    if last is None:
        return f"not known to be quiet after {waited:.0f} s: {told}"
    since = "" if told == last else f" at the last look that told; then {told}"
    return f"still {_connections(last)} after {waited:.0f} s{since}"
