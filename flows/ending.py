"""However a run ends, it ends in words: what happened, what was changed, what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from nftwave import prove
from nftwave.errors import NftwaveError
from nftwave.outcome import Outcome, with_url
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
    except (KeyboardInterrupt, TerminationSignal) as signal:
        prove.STOP.set()
        by = "Ctrl-C" if isinstance(signal, KeyboardInterrupt) else "SIGTERM"
        ending.outcome = run.story.interrupted(by)
    finally:
        run.gateway.close()


_outcomes: dict[str, Outcome] = {}


def outcome_of(state: State[Any]) -> Outcome | None:
    """The outcome of a flow run that ended in this process; None where it broke before that.

    Not from the state: a pause that timed out is ended by the server, which then refuses the
    flow's own last state (measured, Prefect 3.9.1).
    """
    return _outcomes.pop(str(state.state_details.flow_run_id), None)


def ended(outcome: Outcome) -> State[Outcome]:
    """The final state of the flow run, with the outcome as its result."""
    told = with_url(outcome, str(flow_run.ui_url or ""))
    _outcomes[str(flow_run.id)] = told
    with suppress(Exception):  # the artifact is a copy; losing it must not change the outcome
        publish(told)
    make, name = _STATES[told.status]
    state: State[Outcome] = make(name=name, message="\n".join(told.words()), data=told)
    return state
