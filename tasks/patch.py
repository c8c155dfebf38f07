"""The first change: written down, rehearsed, then made under a precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nftwave import patch, progress
from nftwave.errors import Conflict
from nftwave.kube import daemonset
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.kube.objects import DaemonSetView
    from nftwave.ledger import Approval
    from tasks.run import Run

CONFIG = "config.conf in ConfigMap kube-system/kube-proxy: mode nftables"


@step("patch {run.name}")
def patch_config(run: Run, approval: Approval | None) -> None:
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
        if approval is not None:
            _keep_original(run, approval, original)
            now.line("the original is kept in ConfigMap kube-system/nftwave")
        if run.plan.edits_config:
            new_config(run)
            now.end("config.conf replaced; kube-proxy still runs as before")
        else:
            run.new_config = True
            now.end("config.conf was as wanted already")
        run.note(phase="patched")


HOLD = "kube-proxy's DaemonSet: held (updateStrategy OnDelete), so that no node changes by itself"
RELEASED = "kube-proxy's DaemonSet: update strategy as it was"
CONFIG_BACK = "config.conf in ConfigMap kube-system/kube-proxy: put back as it was"


@step("hold and patch {run.name}")
def hold_and_patch(run: Run, approval: Approval | None) -> None:
    """Hold the DaemonSet, then replace config.conf: from then on nodes change one by one.

    In this order, because with the new config.conf any restart changes a node.

    Args:
        approval: None where an earlier run's approval is gone on with.

    Raises:
        Conflict: somebody changed it meanwhile; nothing was overwritten.
    """
    run.story.where = "the hold and the change of config.conf"
    with progress.step("patch", "rehearsing the change with the API server (dry run)") as now:
        original = patch.rehearse(run.gateway, run.plan)
        daemonset.hold(run.gateway, dry_run=True)
        if approval is not None:
            run.may_go_on()
            _keep_original(run, approval, original)
            now.line("the original is kept in ConfigMap kube-system/nftwave")
        hold(run)
        new_config(run)
        run.note(phase="patched")
        now.end("kube-proxy's DaemonSet is held, config.conf replaced; every node runs as before")


def release(run: Run) -> None:
    """End the hold: the update strategy as it was. Nothing is restarted by it.

    Raises:
        Conflict: the pods' template is another one by now; the hold stays.
    """
    run.note(phase="restoring")
    run.may_go_on()
    with run.story.changing(RELEASED) as change:
        change.made = released(run, run.plan.strategy_restored)


def released(run: Run, strategy: Mapping[str, Any]) -> bool:
    """End the hold; whether it was there."""
    run.held = None
    try:
        made = daemonset.release(run.gateway, strategy, template=run.plan.template)
    except Conflict:
        run.held = True
        raise
    run.held = False
    return made.changed


def hold(run: Run) -> None:
    """See to it that kube-proxy's DaemonSet replaces no pod by itself."""
    run.may_go_on()
    with run.story.changing(HOLD) as change:
        run.held = None
        change.made = daemonset.hold(run.gateway).changed
        run.held = True


def config_back(run: Run, original: str) -> None:
    """Put config.conf back to what it was, while nodes stay as they are.

    Raises:
        Conflict: somebody else changed it meanwhile; it was not overwritten.
    """
    run.may_go_on()
    with run.story.changing(CONFIG_BACK) as change:
        run.new_config = None
        change.made = patch.put_back(run.gateway, run.plan, original).changed
        run.new_config = False


def new_config(run: Run) -> None:
    """Replace config.conf by the plan's, for the first time or after `config_back`.

    Raises:
        Conflict: somebody else changed it meanwhile; it was not overwritten.
    """
    run.may_go_on()
    with run.story.changing(CONFIG) as change:
        run.new_config = None
        change.made = patch.apply(run.gateway, run.plan).changed
        run.new_config = True


def planned(run: Run) -> DaemonSetView:
    """The DaemonSet that the plan was made for."""
    if run.facts.daemon_set is None:
        raise Conflict("there is no kube-proxy DaemonSet", cluster=run.name)
    return run.facts.daemon_set


def _keep_original(run: Run, approval: Approval, original: Mapping[str, str]) -> None:
    """In the cluster's ledger and in this run's artifacts, before anything is overwritten."""
    entry = patch.opened(run.ledger, run.plan, original, approval)
    if run.ledger is None or not run.ledger.is_open:
        before = run.facts.daemon_set.restarted_at if run.facts.daemon_set else ""
        entry = replace(entry, original_restarted_at=before)
    taken = run.lock.taken_over_from if run.lock else ""
    if taken and taken not in entry.takeovers:
        entry = replace(entry, takeovers=(*entry.takeovers, taken))
    with run.story.changing("the ledger, ConfigMap kube-system/nftwave"):
        run.record(entry)
    text = entry.original.get("config.conf", "")
    run.artifacts.markdown(
        "original",
        f"## config.conf of {run.name} before the change\n\n```yaml\n{text}\n```",
        f"The original config.conf of {run.name}",
    )
