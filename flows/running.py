"""Running a flow from a terminal: a Prefect server, progress, and an outcome at the end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from flows import terminal
from flows.server import prefect_api
from nftwave import progress
from nftwave.errors import NftwaveError

if TYPE_CHECKING:
    from prefect import State

    from nftwave.outcome import Outcome

STARTS = 5
"""Tries to create a run: SQLite under several runs answers "database is locked" (HTTP 503)."""


def run_migration(cluster: str, **options: Any) -> Outcome:
    """Run the flow migrate-cluster here; the options are those of `run_flow` and of the flow."""
    return run_flow("migrate_cluster", cluster, **options)


def run_rollback(cluster: str, **options: Any) -> Outcome:
    """Run the flow rollback-cluster here; the options are those of `run_flow` and of the flow."""
    return run_flow("rollback_cluster", cluster, **options)


def run_flow(
    name: str,
    cluster: str,
    *,
    home: Path | None = None,
    at_end: Callable[[Outcome], None] | None = None,
    **parameters: Any,
) -> Outcome:
    """Run a flow here, and show its progress.

    Args:
        name: of the flow's function and of its module.
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
                from flows.ending import hangup_as_sigterm

                flow = getattr(import_module(f"flows.{name}"), name)
                now.end(f"UI at {url.removesuffix('/api')}")
            _quiet_console()
            stack.enter_context(hangup_as_sigterm())
            outcome = _run(partial(flow, cluster=cluster, **parameters))
            if at_end:
                listener.close()
                at_end(outcome)
            return outcome
    finally:
        progress.listeners.remove(listener)
        listener.close()


def _run(flow: Callable[..., State[Outcome]]) -> Outcome:
    """Run a flow to its outcome.

    Raises:
        NftwaveError: it broke before it looked at a cluster.
    """
    from prefect.exceptions import PrefectHTTPStatusError

    from flows.ending import hearing

    attempt = 0
    while True:
        attempt += 1
        with hearing() as heard:
            try:
                state = flow(return_state=True)
            except (PrefectHTTPStatusError, httpx.HTTPError) as error:
                if not heard.begun and attempt < STARTS:
                    continue
                if not heard.outcome:
                    raise NftwaveError(
                        f"the Prefect server failed: {error}",
                        unchanged=None if heard.begun else "no cluster was touched",
                        next_step="see that it is well, then run this again",
                    ) from error
        if heard.outcome:
            return heard.outcome
        state.result()
        raise NftwaveError(f"the run ended without an outcome: {state.message}")


def _quiet_console() -> None:
    """Keep Prefect's log lines in its UI; the terminal shows our own progress."""
    for name in ("", "prefect", "prefect.flow_runs", "prefect.task_runs", "nftwave"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            if type(handler).__name__ == "PrefectConsoleHandler":
                logger.removeHandler(handler)
    logging.getLogger("nftwave").setLevel(logging.INFO)
    sys.stderr.flush()
