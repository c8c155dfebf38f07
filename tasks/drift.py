"""Before each change: is the cluster still what was approved?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import progress
from nftwave.drift import Drift, drifts, flipped_early
from nftwave.errors import Conflict
from nftwave.look import look_at_api, probe_nodes
from nftwave.outcome import listed
from nftwave.plan import thaw
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.clusterfacts import ClusterFacts
    from tasks.run import Run


class Drifted(Conflict):
    """The cluster is no longer what was approved: it has to be approved anew."""


@step("compare {run.name} with its plan")
def still_holds(run: Run, *, at_gate: bool = False) -> None:
    """Look at the API, before a batch: a number of requests that does not grow with the nodes.

    Args:
        at_gate: config.conf is as the policy wants it while people are asked.

    Raises:
        Drifted: the plan no longer holds.
    """
    now = _looked(run)
    early = [n for n in flipped_early(run.plan, run.facts, now) if n not in run.flipped]
    if early:
        told = f"restarted out of turn, by somebody else: {listed(early)}; asked in their turn"
        progress.tell(progress.Event("line", "drift", told))
        run.early |= set(early)
    run.facts = _fresh(run.facts, now)
    back = at_gate and run.cluster.policy.config_at_gate == "original"
    wanted = run.plan.config_before if back else run.plan.config_after
    refuse(run, drifts(run.plan, now, config=wanted, held=True))


def refuse_way_back(run: Run) -> None:
    """Not forward where a way back has begun.

    Raises:
        Conflict: that migration is being taken back.
    """
    if run.ledger is not None and run.ledger.going_back:
        raise Conflict(
            "the migration of this cluster is being taken back",
            cluster=run.name,
            unchanged="nothing was changed",
            next_step=f"nftwave rollback {run.story.called} takes it back to the end",
        )


def goes_on(run: Run) -> bool:
    """Whether an earlier run's approved plan is under way; then it is taken.

    Raises:
        Drifted: it no longer holds.
    """
    entry = run.ledger
    if entry is None or not entry.is_open:
        return False
    plan, approval = thaw(entry, run.facts), entry.approved("plan")
    if plan is None or approval is None or plan.cluster_uid != run.facts.uid:
        return False
    run.plan = plan
    # While people are asked, and before the first change, config.conf is as it was.
    before = entry.phase in {"approved", "asking"}
    wanted = None if before else plan.config_after
    refuse(run, drifts(plan, run.facts, config=wanted, held=False))
    run.story.plan_hash = plan.hash
    run.story.approvals.append(approval)
    told = f"going on under plan {plan.short_hash}, approved by {approval.approver} {approval.at}"
    progress.tell(progress.Event("line", "plan", told))
    return True


def refuse(run: Run, found: tuple[Drift, ...]) -> None:
    """Tell what has moved; raise Drifted where the plan does not hold any more."""
    for drift in found:
        if drift.harmless and drift.what not in run.told:
            run.told.add(drift.what)
            progress.tell(progress.Event("line", "drift", f"taken in: {drift.what}"))
    harmful = [drift.what for drift in found if not drift.harmless]
    if harmful:
        raise Drifted(
            f"the cluster is no longer what was approved: {'; '.join(harmful)}",
            cluster=run.name,
            unchanged="no node was changed since this was noticed",
            next_step="see who works on it",
        )


def _looked(run: Run) -> ClusterFacts:
    now = look_at_api(run.cluster, run.gateway)
    planned = {node.name for node in run.plan.nodes}
    new = [node for node in now.targets if node.name not in planned]
    return replace(now, probes=probe_nodes(now, run.gateway, new) if new else {})


def _fresh(before: ClusterFacts, now: ClusterFacts) -> ClusterFacts:
    """What is known now: probes of nodes whose kube-proxy is another one do not hold any more."""
    uids = {pod.node: pod.uid for pod in before.pods if not pod.deleting}
    again = {pod.node: pod.uid for pod in now.pods if not pod.deleting}
    probes = {n: p for n, p in before.probes.items() if uids.get(n) == again.get(n)}
    return replace(now, probes=probes | dict(now.probes), around=before.around)
