"""Ending a run between two nodes: Ctrl-C, SIGTERM, a closed terminal, or Cancel in the UI.

What is in hand is brought to its end, because a node whose kube-proxy was just deleted has not
proven anything yet. Who asks a second time gets the end at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run

from nftwave import progress
from nftwave.prove import STOP
from tasks.signals import handled_by, named

if TYPE_CHECKING:
    from tasks.run import Run

LOOK = 2.0
"""Seconds between two looks at the run's state in Prefect: nobody tells a running flow that it is
being cancelled, unless a worker does by SIGTERM."""


@contextmanager
def stoppable(run: Run) -> Iterator[None]:
    """Within this block a request to end is taken down; `run.stop_if_asked` acts on it."""
    done = threading.Event()
    run_id = flow_run.id
    if run_id:
        watcher = threading.Thread(
            target=_watch, args=(run, UUID(str(run_id)), done), name="cancel", daemon=True
        )
        watcher.start()
    try:
        with _signals_taken_down(run):
            yield
    finally:
        done.set()


def _signals_taken_down(run: Run) -> AbstractContextManager[None]:
    def taken_down(number: int, _: FrameType | None) -> None:
        if run.stopping.is_set():
            STOP.set()
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            raise TerminationSignal(signal=number)
        _ask(run, named(number))

    return handled_by(taken_down)


def _ask(run: Run, by: str) -> None:
    run.stopped_by = by
    run.stopping.set()
    text = f"{by}: stopping when the nodes in hand are done; again to stop at once"
    progress.tell(progress.Event("line", "stop", text))


def _watch(run: Run, run_id: UUID, done: threading.Event) -> None:
    while not done.wait(LOOK) and not run.stopping.is_set():
        with suppress(Exception), get_client(sync_client=True) as client:  # a copy that is away
            state = client.read_flow_run(run_id).state
            if state and (state.is_cancelling() or state.is_cancelled()):
                _ask(run, "Cancel in the Prefect UI")
