"""What is going on, told as it happens.

Steps tell events; listeners show them. Each event is also a line of the logger `nftwave`, which is
how a run under Prefect shows it in the UI. A listener that fails must not fail a migration.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG = logging.getLogger("nftwave")
# Without a handler of its own, errors would go to logging's last resort: told twice on stderr.
LOG.addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: a step `began` or `ended`, or went wrong (`broke`); a `line` to be kept; `now` is
            what is being waited for, true until the next one.
        step: name of the step it belongs to.
        text: for people, one line.
        seconds: how long the step took; 0 while it runs.
    """

    kind: Literal["began", "ended", "broke", "line", "now"]
    step: str
    text: str
    seconds: float = 0.0


class Listener(Protocol):
    """Shows events. Called from several threads."""

    def __call__(self, event: Event) -> None:
        """Show one event."""


KEEP_EVERY = 5.0

listeners: list[Listener] = []


def tell(event: Event) -> None:
    """Log an event and pass it to the listeners."""
    took = f" ({event.seconds:.1f} s)" if event.seconds else ""
    levels = {"broke": logging.ERROR, "now": logging.DEBUG}
    LOG.log(levels.get(event.kind, logging.INFO), "%s: %s%s", event.step, event.text, took)
    for listener in listeners:
        with suppress(Exception):
            listener(event)


@dataclass
class Step:
    """A step that is under way."""

    name: str
    result: str = "done"
    began: float = field(default_factory=time.monotonic)
    _last: str = ""
    _kept: float = field(default_factory=time.monotonic)

    def line(self, text: str) -> None:
        """Something worth keeping."""
        tell(Event("line", self.name, text))

    def now(self, text: str) -> None:
        """What is waited for now; told once however often it is said.

        Each `KEEP_EVERY` seconds it is a line to be kept, so that a log tells where time went.
        """
        if text == self._last:
            return
        self._last = text
        if time.monotonic() - self._kept >= KEEP_EVERY:
            self._kept = time.monotonic()
            self.line(text)
        else:
            tell(Event("now", self.name, text))

    def end(self, text: str) -> None:
        """What came of it, told when the step ends."""
        self.result = text


@contextmanager
def step(name: str, text: str) -> Iterator[Step]:
    """Tell that a step begins, and what came of it when it ends."""
    tell(Event("began", name, text))
    running = Step(name)
    try:
        yield running
    except BaseException as error:
        stopped = not isinstance(error, Exception)
        first = "stopped" if stopped else (str(error).splitlines() or [type(error).__name__])[0]
        tell(Event("broke", name, first, time.monotonic() - running.began))
        raise
    tell(Event("ended", name, running.result, time.monotonic() - running.began))
