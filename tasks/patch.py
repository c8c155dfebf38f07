"""The first change: written down, rehearsed, then made under a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact

from nftwave import ledger, patch, progress
from nftwave.kube import rollout
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.ledger import Approval, Ledger
    from tasks.run import Run


@step("patch {run.name}")
def patch_config(run: Run, approval: Approval) -> None:
    """Replace config.conf, after the original is kept and the API server has rehearsed it.

    Raises:
        Conflict: somebody changed it meanwhile; nothing was overwritten.
    """
    run.story.where = "the change of config.conf"
    with progress.step("patch", "rehearsing the change with the API server (dry run)") as now:
        original = patch.rehearse(run.gateway, run.plan)
        rollout.restart(
            run.gateway,
            at=run.plan.restarted_at or rollout.stamp(),
            strategy=run.plan.strategy_restored,
            dry_run=True,
        )
        entry = _keep_original(run, approval, original)
        now.line("the original is kept in ConfigMap kube-system/nftwave")
        if patch.apply(run.gateway, run.plan).changed:
            run.story.done("config.conf in ConfigMap kube-system/kube-proxy: mode nftables")
            now.end("config.conf replaced; kube-proxy still runs as before")
        else:
            now.end("config.conf was as wanted already")
        run.record(replace(entry, phase="patched"))


def _keep_original(run: Run, approval: Approval, original: Mapping[str, str]) -> Ledger:
    """In the cluster's ledger and in this run's artifacts, before anything is overwritten."""
    entry = ledger.opened(
        ledger.read(run.gateway),
        plan=run.plan,
        config_data=original,
        approval=approval,
    )
    run.record(entry)
    text = entry.original.get("config.conf", "")
    create_markdown_artifact(
        key=f"{run.name}-original",
        markdown=f"## config.conf of {run.name} before the change\n\n```yaml\n{text}\n```",
        description=f"The original config.conf of {run.name}",
    )
    return entry
