"""However a run ends, it ends in words: what happened, what was changed, what to do next."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from nftwave import prove
from nftwave.errors import NftwaveError
from nftwave.outcome import Outcome, with_url
from nftwave.progress import LOG
from tasks.report import publish, where_it_stands
from tasks.run import Stopped
from tasks.signals import named

if TYPE_CHECKING:
    from prefect import State

    from tasks.run import Run

_STATES: dict[str, tuple[Any, str]] = {
    "done": (Completed, "Completed"),
    "already-done": (Completed, "Completed"),
    "blocked": (Failed, "Blocked"),
    "not-approved": (Cancelled, "Not approved"),
    "failed": (Failed, "Failed"),
    "interrupted": (Cancelled, "Stopped"),
    "rolled-back": (Failed, "Rolled back"),
}


@dataclass
class Ending:
    """Holds the outcome of a run that did not come to its end."""

    outcome: Outcome


@contextmanager
def ending_in_words(run: Run) -> Iterator[Ending]:
    """Turn our errors, Ctrl-C and SIGTERM into an outcome."""
    _heard.get().begun = True
    ending = Ending(run.story.interrupted("nobody"))
    try:
        yield ending
    except (Exception, KeyboardInterrupt, TerminationSignal) as error:  # noqa: BLE001 (a traceback in front of a user is a bug)
        run.story.state = where_it_stands(run)
        ending.outcome = _in_words(run, error)


def _in_words(run: Run, error: BaseException) -> Outcome:
    if isinstance(error, Stopped):
        return run.story.interrupted(str(error))
    if isinstance(error, NftwaveError):
        return run.story.broke(error)
    if isinstance(error, KeyboardInterrupt | TerminationSignal):
        prove.STOP.set()
        number = error.signal if isinstance(error, TerminationSignal) else signal.SIGINT
        return run.story.interrupted(named(number))
    # For whoever mends it; the person in front of it gets the words.
    LOG.error("unexpected", exc_info=error)
    return run.story.crashed(error)


@contextmanager
def hangup_as_sigterm() -> Iterator[None]:
    """A closed terminal ends a run as SIGTERM does: with the hold and the words."""

    def stop(number: int, _: FrameType | None) -> None:
        raise TerminationSignal(signal=number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGHUP, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@dataclass
class Heard:
    """What a run said of itself, whatever Prefect made of it.

    A pause that timed out is ended by the server, which then refuses the flow's own last state;
    and a server that is gone takes no state at all (both measured, Prefect 3.9.1).
    """

    begun: bool = False
    outcome: Outcome | None = None


_heard: ContextVar[Heard] = ContextVar("heard", default=Heard())  # noqa: B039 (read by nobody)


@contextmanager
def hearing() -> Iterator[Heard]:
    """Hear what the run says that is started in this block."""
    heard = Heard()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def ended(run: Run, outcome: Outcome) -> State[Outcome]:
    """The final state of the flow run, with the outcome as its result."""
    told = with_url(outcome, str(flow_run.ui_url or ""))
    _heard.get().outcome = told
    publish(run, told)
    run.gateway.close()
    make, name = _STATES[told.status]
    state: State[Outcome] = make(name=name, message="\n".join(told.words()), data=told)
    return state
