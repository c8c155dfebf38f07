"""The last step: the ledger closed, and what happened in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import report
from nftwave.evidence import Standing
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.outcome import Outcome
    from tasks.run import Run


@step("close the ledger of {run.name}")
def close_ledger(run: Run) -> None:
    """Write into the cluster how it ended; where no run ever changed anything, nothing."""
    if run.ledger is None:
        return
    open_ones = {
        v.node: f"{v.standing}: {v.why()}"
        for v in run.verdicts
        if v.standing is not Standing.VERIFIED
    }
    phase = "failed" if open_ones else "verified"
    run.record(replace(run.ledger, phase=phase, nodes=open_ones))


def publish(run: Run, outcome: Outcome) -> None:
    """The outcome as an artifact of the flow run."""
    run.artifacts.markdown("outcome", report.outcome_markdown(outcome), outcome.what)
