"""The last step: the ledger closed, and what happened in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import report
from nftwave.evidence import Standing
from nftwave.outcome import counted, listed
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


def where_it_stands(run: Run) -> str:
    """Where a migration that is neither proven nor taken back leaves the cluster, in words."""
    entry = run.ledger
    if entry is None or not entry.is_open or not (run.story.changed or run.story.unsure):
        return ""
    every = list(entry.plan.get("nodes") or ())
    proven = set(entry.proven)
    rest = [name for name in every if name not in proven and name not in entry.in_hand]
    parts = [f"{len(proven)} of {counted(len(every), 'node')} proven in nftables mode"]
    if entry.in_hand:
        parts.append(f"begun and not proven: {listed(sorted(entry.in_hand))}")
    if rest:
        parts.append(f"left as they were: {listed(rest)}")
    return f"Where it stands: {'; '.join(parts)}. {_HELD[run.held]}, and {_CONFIG[run.new_config]}."


_HELD = {
    True: "kube-proxy is held (updateStrategy OnDelete)",
    False: "kube-proxy is not held",
    None: "Whether kube-proxy is held (updateStrategy OnDelete) is not known",
}
_CONFIG = {
    True: "config.conf says nftables",
    False: "config.conf is as it was",
    None: "what config.conf says is not known",
}


def publish(run: Run, outcome: Outcome) -> None:
    """The outcome as an artifact of the flow run."""
    run.artifacts.markdown("outcome", report.outcome_markdown(outcome), outcome.what)
