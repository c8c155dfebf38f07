"""Running a flow from a terminal: a Prefect server, progress, and an outcome at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import terminal
from flows.server import prefect_api
from nftwave import progress
from nftwave.errors import NftwaveError

if TYPE_CHECKING:
    from nftwave.outcome import Outcome


def run_migration(
    cluster: str,
    *,
    home: Path | None = None,
    at_end: Callable[[Outcome], None] | None = None,
    **parameters: Any,
) -> Outcome:
    """Run the flow migrate-cluster here, and show its progress.

    Args:
        cluster: the cluster's name.
        home: folder of the embedded Prefect server; its default where None.
        at_end: called with the outcome while the server is still up.
        parameters: further parameters of the flow.
    """
    listener = terminal.progress_listener()
    progress.listeners.append(listener)
    try:
        with ExitStack() as stack:
            with progress.step("prefect", "starting its server") as now:
                url = stack.enter_context(prefect_api(home))
                from flows.ending import hangup_as_sigterm, outcome_of
                from flows.migrate_cluster import migrate_cluster

                now.end(f"UI at {url.removesuffix('/api')}")
            _quiet_console()
            stack.enter_context(hangup_as_sigterm())
            state = migrate_cluster(cluster=cluster, **parameters, return_state=True)
            outcome = outcome_of(state)
            if outcome is None:
                state.result()
                raise NftwaveError(f"the run ended without an outcome: {state.message}")
            if at_end:
                listener.close()
                at_end(outcome)
            return outcome
    finally:
        progress.listeners.remove(listener)
        listener.close()


def _quiet_console() -> None:
    """Keep Prefect's log lines in its UI; the terminal shows our own progress."""
    for name in ("", "prefect", "prefect.flow_runs", "prefect.task_runs", "nftwave"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if type(handler).__name__ == "PrefectConsoleHandler":
                logger.removeHandler(handler)
    logging.getLogger("nftwave").setLevel(logging.INFO)
    sys.stderr.flush()
