"""What has moved in a cluster since its plan was approved, and whether the plan still holds.

Asked before each change. Harmless is what the plan would have taken in its stride; all else stops
the run, holds the DaemonSet and has a person asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.kube.daemonset import template_digest
from nftwave.plan import running_mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.kube.resources import Object
    from nftwave.plan import Plan


@dataclass(frozen=True)
class Drift:
    """One thing that is no longer as it was approved."""

    what: str
    harmless: bool = False


def drifts(
    plan: Plan, now: ClusterFacts, *, config: str | None = None, held: bool
) -> tuple[Drift, ...]:
    """Everything that differs from an approved plan.

    Args:
        now: the cluster as the API tells it; probes are needed of nodes that the plan does not
            know.
        config: the text that config.conf must have; either of the plan's two where None.
        held: whether the DaemonSet must be under OnDelete.
    """
    return (
        *_cluster(plan, now),
        *_config(plan, now, config),
        *_daemon_set(plan, now, held=held),
        *_nodes(plan, now),
    )


def flipped_early(plan: Plan, before: ClusterFacts, now: ClusterFacts) -> tuple[str, ...]:
    """Nodes whose kube-proxy somebody else has replaced since they were last looked at.

    Args:
        before: from when this run had its last turn on any of them.
    """
    uids = {pod.node: pod.uid for pod in before.pods if not pod.deleting}
    again = {pod.node: pod.uid for pod in now.pods if not pod.deleting}
    planned = {node.name for node in plan.nodes}
    return tuple(sorted(n for n in planned & again.keys() & uids.keys() if again[n] != uids[n]))


def outdated(facts: ClusterFacts) -> frozenset[str]:
    """Nodes whose kube-proxy was made of an older template than the DaemonSet has now.

    It would be replaced, unproven, the moment a hold ends. None where no migration is open.
    """
    pods = [pod for pod in facts.pods if facts.revision and not pod.deleting]
    return frozenset(pod.node for pod in pods if pod.revision != facts.revision)


def _cluster(plan: Plan, now: ClusterFacts) -> Iterator[Drift]:
    if now.uid != plan.cluster_uid:
        yield Drift(f"this is another cluster: Namespace kube-system has uid {now.uid}")
    if now.server_version != plan.server_version:
        told = f"the API server is {now.server_version}, it was {plan.server_version}"
        yield Drift(f"{told}: an upgrade is under way")


def _config(plan: Plan, now: ClusterFacts, wanted: str | None) -> Iterator[Drift]:
    allowed = {plan.config_before, plan.config_after} if wanted is None else {wanted}
    if now.config_text in allowed:
        return
    by = writers(now.config_map or {})
    if now.config_text == plan.config_before:
        yield Drift(f"config.conf was put back to what it was, by {by}")
    else:
        yield Drift(f"config.conf was changed by another hand: {by}")


def _daemon_set(plan: Plan, now: ClusterFacts, *, held: bool) -> Iterator[Drift]:
    if now.daemon_set is None:
        yield Drift("kube-proxy's DaemonSet is gone")
        return
    by = writers(now.daemon_set.object)
    if template_digest(now.daemon_set) != plan.template:
        yield Drift(f"kube-proxy's DaemonSet was rewritten by {by}: its pods are others now")
    if held and now.daemon_set.strategy != "OnDelete":
        strategy = now.daemon_set.strategy
        yield Drift(f"kube-proxy's DaemonSet is no longer held: {strategy}, set by {by}")


def _nodes(plan: Plan, now: ClusterFacts) -> Iterator[Drift]:
    planned = {node.name for node in plan.nodes} | set(plan.kept)
    here = {node.name for node in now.targets}
    for name in sorted(planned - here):
        yield Drift(f"node {name} left, or runs kube-proxy no longer", harmless=True)
    for name in sorted(here - planned):
        mode = running_mode(now, name)
        if mode == "nftables":
            yield Drift(f"node {name} joined, and came up in nftables mode", harmless=True)
        else:
            yield Drift(f"node {name} joined, in {mode or 'an unknown'} mode")


def writers(item: Object) -> str:
    """Who wrote an object last, by its managedFields, the latest first."""
    fields = item.get("metadata", {}).get("managedFields") or ()
    latest: Iterable[Object] = sorted(fields, key=lambda m: m.get("time") or "", reverse=True)
    return ", ".join(dict.fromkeys(str(m.get("manager")) for m in latest)) or "unknown"
