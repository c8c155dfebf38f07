"""However a run ends, it ends in words: what happened, what was changed, what to do next."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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
from tasks.report import publish

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
}


@dataclass
class Ending:
    """Holds the outcome of a run that did not come to its end."""

    outcome: Outcome


@contextmanager
def ending_in_words(run: Run) -> Iterator[Ending]:
    """Turn our errors, Ctrl-C and SIGTERM into an outcome."""
    ending = Ending(run.story.interrupted("nobody"))
    try:
        yield ending
    except NftwaveError as error:
        ending.outcome = run.story.broke(error)
    except (KeyboardInterrupt, TerminationSignal) as stopped:
        prove.STOP.set()
        number = signal.SIGINT if isinstance(stopped, KeyboardInterrupt) else stopped.signal
        by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        ending.outcome = run.story.interrupted(by)
    except Exception as error:  # noqa: BLE001 (a traceback in front of a user is a bug)
        # For whoever mends it; the person in front of it gets the words.
        LOG.exception("unexpected")
        ending.outcome = run.story.crashed(error)


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


_outcomes: dict[str, Outcome] = {}


def outcome_of(state: State[Any]) -> Outcome | None:
    """The outcome of a flow run that ended in this process; None where it broke before that.

    Not from the state: a pause that timed out is ended by the server, which then refuses the
    flow's own last state (measured, Prefect 3.9.1).
    """
    return _outcomes.pop(str(state.state_details.flow_run_id), None)


def ended(run: Run, outcome: Outcome) -> State[Outcome]:
    """The final state of the flow run, with the outcome as its result."""
    told = with_url(outcome, str(flow_run.ui_url or ""))
    _outcomes[str(flow_run.id)] = told
    publish(run, told)
    run.gateway.close()
    make, name = _STATES[told.status]
    state: State[Outcome] = make(name=name, message="\n".join(told.words()), data=told)
    return state
