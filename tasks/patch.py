"""The first change: written down, rehearsed, then made under a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact

from nftwave import ledger, patch, progress
from nftwave.kube import rollout
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.ledger import Approval
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
        rollout.restart(run.gateway, dry_run=True)
        _keep_original(run, approval, original)
        now.line("the original is kept in ConfigMap kube-system/nftwave")
        if patch.apply(run.gateway, run.plan).changed:
            run.story.done("config.conf in ConfigMap kube-system/kube-proxy: mode nftables")
            now.end("config.conf replaced; kube-proxy still runs as before")
        else:
            now.end("config.conf was as wanted already")
        run.ledger = run.ledger.at("patched")
        ledger.write(run.gateway, run.ledger)


def _keep_original(run: Run, approval: Approval, original: Mapping[str, str]) -> None:
    """In the cluster's ledger and in this run's artifacts, before anything is overwritten."""
    daemon_set = rollout.read_daemon_set(run.gateway)
    run.ledger = ledger.opened(
        ledger.read(run.gateway),
        plan_hash=run.plan.hash,
        plan=run.plan.as_dict(),
        config_data=original,
        strategy=daemon_set["spec"].get("updateStrategy", {}),
        approval=approval,
    )
    ledger.write(run.gateway, run.ledger)
    text = run.ledger.original.get("config.conf", "")
    create_markdown_artifact(
        key=f"{run.name}-original",
        markdown=f"## config.conf of {run.name} before the change\n\n```yaml\n{text}\n```",
        description=f"The original config.conf of {run.name}",
    )
