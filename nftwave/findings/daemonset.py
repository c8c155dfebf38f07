"""Rules on kube-proxy's DaemonSet: is it there, well, and at rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.kubeproxy import DAEMON_SET
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.outcome import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.clusterfacts import ClusterFacts


def daemon_set_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """No kube-proxy DaemonSet."""
    if facts.daemon_set is None:
        yield Sighting(DAEMON_SET, "does not exist")


def daemon_set_in_rollout(facts: ClusterFacts) -> Iterable[Sighting]:
    """A rollout under way, or the controller not up to date."""
    ds = facts.daemon_set
    if ds is None:
        return
    if ds.observed_generation < ds.generation:
        seen = f"generation {ds.generation}, its controller has seen {ds.observed_generation}"
        yield Sighting(DAEMON_SET, seen)
    elif ds.strategy == "RollingUpdate" and ds.updated < ds.desired:
        yield Sighting(DAEMON_SET, f"{ds.updated} of {ds.desired} pods have the current template")


def daemon_set_unhealthy(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy pods that are not available.

    Not those of nodes that an earlier run has in hand: to mend these is what this run is there for.
    """
    ds = facts.daemon_set
    if ds is None or ds.available >= ds.desired:
        return
    others = [p for p in facts.pods if p.node not in facts.in_hand]
    ill = [f"{p.node}: {p.state()}" for p in others if not p.ready or p.deleting]
    if not ill and ds.desired - ds.available <= len(facts.in_hand):
        return
    yield Sighting(
        DAEMON_SET, f"{ds.available} of {ds.desired} pods available; {', '.join(ill[:5])}"
    )


def daemon_set_on_delete(facts: ClusterFacts) -> Iterable[Sighting]:
    """An update strategy under which a restart replaces no pod."""
    on_delete = facts.daemon_set and facts.daemon_set.strategy == "OnDelete"
    if on_delete and not facts.held_by_us:
        yield Sighting(DAEMON_SET, "updateStrategy OnDelete")


def held_by_earlier_run(facts: ClusterFacts) -> Iterable[Sighting]:
    """A hold that an earlier run of this program left behind when it broke off."""
    if facts.held_by_us and facts.ledger:
        seen = f"updateStrategy OnDelete, set by a run that ended in phase {facts.ledger.phase}"
        begun = f"; begun and not proven: {listed(sorted(facts.in_hand))}" if facts.in_hand else ""
        yield Sighting(DAEMON_SET, seen + begun)


_CONTROLLER = "Kubernetes source, pkg/controller/daemon"

RULES = (
    Rule(
        code="daemonset-missing",
        severity=Severity.BLOCKER,
        looks_at="DaemonSet kube-system/kube-proxy",
        why="kube-proxy does not run here as kubeadm sets it up",
        remedy="see what serves Services here: another CNI may replace kube-proxy",
        source="Kubernetes source, cmd/kubeadm/app/phases/addons/proxy",
        judge=daemon_set_missing,
        firm="there is nothing to restart",
        always=True,
    ),
    Rule(
        code="daemonset-in-rollout",
        severity=Severity.BLOCKER,
        looks_at="status of the DaemonSet",
        why="another change is under way; what is seen now does not hold",
        remedy="wait for `kubectl -n kube-system rollout status ds/kube-proxy`",
        source=_CONTROLLER,
        judge=daemon_set_in_rollout,
        firm="it passes by waiting",
        always=True,
    ),
    Rule(
        code="daemonset-unhealthy",
        severity=Severity.BLOCKER,
        looks_at="pods of the DaemonSet, but for nodes that an earlier run has begun with",
        why="a kube-proxy that does not run now would not run after the change either",
        remedy="mend these pods first: `kubectl -n kube-system describe pod -l k8s-app=kube-proxy`",
        source=_CONTROLLER,
        judge=daemon_set_unhealthy,
        always=True,
    ),
    Rule(
        code="daemonset-ondelete",
        severity=Severity.BLOCKER,
        looks_at="update strategy of the DaemonSet",
        why="under OnDelete a restart replaces no pod",
        remedy="set updateStrategy RollingUpdate for the time of the migration",
        source=_CONTROLLER,
        judge=daemon_set_on_delete,
        firm="no pod would be replaced",
    ),
    Rule(
        code="held-by-earlier-run",
        severity=Severity.NOTE,
        looks_at="update strategy of the DaemonSet, beside the ledger in the cluster",
        why="an earlier run stopped there so that no further node changes; this one goes on from"
        " it",
        remedy="none: the hold ends when the plan is approved",
        source="this program's ledger, ConfigMap kube-system/nftwave",
        judge=held_by_earlier_run,
    ),
)
