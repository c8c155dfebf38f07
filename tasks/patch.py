"""The first change: written down, rehearsed, then made under a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import patch, progress
from nftwave.errors import Conflict
from nftwave.kube import daemonset
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.kube.objects import DaemonSetView
    from nftwave.ledger import Approval, Ledger
    from tasks.run import Run

CONFIG = "config.conf in ConfigMap kube-system/kube-proxy: mode nftables"


@step("patch {run.name}")
def patch_config(run: Run, approval: Approval) -> None:
    """Replace config.conf, after the original is kept and the API server has rehearsed it.

    Raises:
        Conflict: somebody changed it meanwhile; nothing was overwritten.
    """
    run.story.where = "the change of config.conf"
    with progress.step("patch", "rehearsing the change with the API server (dry run)") as now:
        original = patch.rehearse(run.gateway, run.plan)
        daemonset.restart(
            run.gateway,
            planned(run),
            at=run.plan.restarted_at or daemonset.stamp(),
            strategy=run.plan.strategy_restored,
            dry_run=True,
        )
        entry = _keep_original(run, approval, original)
        now.line("the original is kept in ConfigMap kube-system/nftwave")
        if run.plan.edits_config:
            with run.story.changing(CONFIG):
                patch.apply(run.gateway, run.plan)
            now.end("config.conf replaced; kube-proxy still runs as before")
        else:
            now.end("config.conf was as wanted already")
        run.record(replace(run.ledger or entry, phase="patched"))


def planned(run: Run) -> DaemonSetView:
    """The DaemonSet that the plan was made for."""
    if run.facts.daemon_set is None:
        raise Conflict("there is no kube-proxy DaemonSet", cluster=run.name)
    return run.facts.daemon_set


def _keep_original(run: Run, approval: Approval, original: Mapping[str, str]) -> Ledger:
    """In the cluster's ledger and in this run's artifacts, before anything is overwritten."""
    entry = patch.opened(run.ledger, run.plan, original, approval)
    with run.story.changing("the ledger, ConfigMap kube-system/nftwave"):
        run.record(entry)
    text = entry.original.get("config.conf", "")
    run.artifacts.markdown(
        "original",
        f"## config.conf of {run.name} before the change\n\n```yaml\n{text}\n```",
        f"The original config.conf of {run.name}",
    )
    return entry
