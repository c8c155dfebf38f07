"""The way back: the original configuration, then the nodes that were changed, and no other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import progress
from nftwave.batches import share
from nftwave.drain import uncordon
from nftwave.errors import Blocked
from nftwave.evidence import Standing
from nftwave.kube import daemonset
from nftwave.look import CONFIG_KEY, look_at_api, probe_nodes
from nftwave.outcome import Outcome, counted
from nftwave.plan import Plan, make_plan, running_mode, thaw
from tasks.batches import run_batch
from tasks.patch import RELEASED, config_back, hold, released
from tasks.step import step
from tasks.verify import verify_nodes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.ledger import Ledger
    from tasks.run import Run

VERIFIED = Standing.VERIFIED
UNRESTARTED = "kube-proxy's DaemonSet: restart annotation as it was"


def roll_back(run: Run, why: str = "") -> Outcome:
    """Take back what this or an earlier run has changed; from wherever it stands, also half-way.

    Args:
        why: a sentence for the outcome.

    Raises:
        Blocked: there is nothing that could be taken back.
        NftwaveError: it broke off; the same again goes on from there.
    """
    run.story.where = "the way back"
    plan = run.plan = _plan(run)
    entry = _entry(run)
    touched = {*entry.proven, *entry.in_hand}
    if not entry.going_back:
        # Where an earlier run had begun is of no use here: what it replaced runs nftables.
        run.begun = {}
        run.note(phase="rolling-back", flipping={})
    _configuration(run)
    changed = _changed_nodes(run, touched)
    size = share(run.cluster.policy.batches.sizes[-1], len(plan.nodes), up=True)
    for start in range(0, len(changed), size):
        part = changed[start : start + size]
        number = f"{start // size + 1} of {-(-len(changed) // size)}"
        run_batch(run, part, f"rollback {number}", gate="rollback", mode="ipvs")
    for name in plan.drained:
        # Also where a run was killed between cordoning a node and its turn.
        run.may_go_on()
        if uncordon(run.gateway, name):
            run.story.done(f"{name}: uncordoned")
    run.may_go_on()
    with run.story.changing(RELEASED) as change:
        change.made = released(run, entry.original_strategy)
    run.facts = replace(look_at_api(run.cluster, run.gateway), probes={})
    run.story.verdicts = []
    run.flipped = {}
    verdicts = verify_nodes(run, mode="ipvs")
    open_ones = {v.node: f"{v.standing}: {v.why()}" for v in verdicts if v.standing is not VERIFIED}
    run.note(phase="rolling-back" if open_ones else "rolled-back", nodes=open_ones, flipping={})
    return run.story.rolled_back(verdicts, why)


def _entry(run: Run) -> Ledger:
    if run.ledger is None:
        raise Blocked(
            "there is nothing to take back: no migration was begun",
            cluster=run.name,
            unchanged="nothing was changed",
        )
    return run.ledger


def refuse_nothing(run: Run) -> None:
    """End here where there is nothing to take back.

    Raises:
        Blocked: no migration was begun, or it was taken back already.
    """
    entry = _entry(run)
    if entry.phase == "rolled-back":
        raise Blocked(
            "there is nothing to take back: the last migration was rolled back already",
            cluster=run.name,
            unchanged="nothing was changed",
        )


def _plan(run: Run) -> Plan:
    return thaw(_entry(run), run.facts) or make_plan(run.facts)


@step("put the configuration of {run.name} back")
def _configuration(run: Run) -> None:
    """config.conf first, so that whatever restarts from now on comes up in ipvs."""
    entry = _entry(run)
    original = entry.original[CONFIG_KEY]
    with progress.step("configuration", "putting config.conf back") as now:
        hold(run)
        config_back(run, original)
        if entry.restarted_at:
            run.may_go_on()
            with run.story.changing(UNRESTARTED) as change:
                before = entry.original_restarted_at
                change.made = daemonset.forget_restart(run.gateway, before).changed
        now.end("config.conf is as it was; what restarts from now on comes up in ipvs")


@step("ask the nodes of {run.name} for their mode")
def _changed_nodes(run: Run, touched: set[str]) -> Sequence[str]:
    """Nodes that run nftables, or of which it is not known and that had begun to change."""

    def is_changed(name: str) -> bool:
        mode = running_mode(run.facts, name)
        if mode is None:
            return name in touched or run.plan.strategy == "rolling"
        return mode != "ipvs"

    with progress.step("nodes", "asking each for its mode") as now:
        facts = look_at_api(run.cluster, run.gateway)
        probes = probe_nodes(facts, run.gateway, facts.targets)
        run.facts = replace(facts, probes=probes, around=run.facts.around)
        changed = [node.name for node in facts.targets if is_changed(node.name)]
        now.end(f"{counted(len(changed), 'node')} of {len(facts.targets)} to be taken back")
    return changed
