"""Waiting for the successors of kube-proxy's pods.

kube-proxy has no readiness probe, so a successor counts as Ready the moment its container runs,
also when it dies a second later (measured, kube-proxy 1.36.2). Ready is therefore only the sign
that verification can begin; and every pod is looked at on each change, also those that were Ready
before.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.errors import RolloutFailed
from nftwave.kube.errors import ApiError
from nftwave.kube.objects import KUBE_PROXY_LABEL, KUBE_SYSTEM, ProxyPod
from nftwave.kube.resources import NODES, PODS
from nftwave.kube.waiting import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nftwave.kube.gateway import Gateway

LOG_LINES = 12
"""Last lines of a dying container's log that a failure shows."""
GONE_AFTER = 15.0
"""Seconds without any pod after which the API server is asked whether the node still exists."""
OLD = "not its turn yet"


@dataclass(frozen=True)
class Waiting:
    """A node whose successor is still waited for, and why."""

    node: str
    why: str


@dataclass
class _Rollout:
    """What is known of the nodes of one rollout."""

    revision: str
    nodes: set[str]
    without_old: dict[str, float] = field(default_factory=dict)
    """Since when a node has been without its old pod, by the monotonic clock."""

    def successors(self, pods: Iterable[ProxyPod]) -> dict[str, ProxyPod]:
        """Pods that are made from the new template and Ready, by node."""
        return {
            p.node: p
            for p in pods
            if p.node in self.nodes and self.is_new(p) and p.ready and not p.hopeless
        }

    def is_new(self, pod: ProxyPod) -> bool:
        """Whether a pod is made from the new template and is to stay."""
        return pod.revision == self.revision and not pod.deleting

    def waiting(self, node: str, pods: Sequence[ProxyPod]) -> Waiting:
        """Why a node is waited for."""
        here = [p for p in pods if p.node == node]
        new = next((p for p in here if self.is_new(p)), None)
        if new:
            detail = f": {new.detail}" if new.detail else ""
            return Waiting(node, f"pod {new.name} is {new.state()}{detail}")
        if any(not p.deleting for p in here):
            return Waiting(node, OLD)
        return Waiting(node, "the old pod is terminating" if here else "no pod there yet")

    def late(self, waiting: Iterable[Waiting], after: float) -> Waiting | None:
        """A node that has been without its old pod for longer than `after` seconds."""
        now = time.monotonic()
        for one in waiting:
            if one.why == OLD:
                self.without_old.pop(one.node, None)
            elif now - self.without_old.setdefault(one.node, now) > after:
                return one
        return None


def await_successors(
    gateway: Gateway,
    nodes: Iterable[str],
    revision: str,
    *,
    deadline: float,
    successor_deadline: float,
    report: Callable[[Sequence[ProxyPod], Sequence[Waiting]], None],
) -> dict[str, ProxyPod]:
    """Wait until each node has a Ready kube-proxy pod of the new revision.

    A node that is removed from the cluster meanwhile is no longer waited for.

    Args:
        nodes: on which a successor is waited for.
        revision: hash of the new template (`daemonset.taken_in`).
        deadline: seconds for all nodes together.
        successor_deadline: seconds for one node, from the end of its old pod.
        report: called after each change with the successors that are Ready and what is waited for.

    Returns:
        The successor by node.

    Raises:
        RolloutFailed: a successor cannot start or keeps dying (with the last lines of its log),
            or a deadline passed; names the node and why.
    """
    rollout = _Rollout(revision, set(nodes))
    until = time.monotonic() + deadline
    waiting: list[Waiting] = []
    for objects in follow(gateway, PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL, until=until):
        pods = [ProxyPod.of(item) for item in objects.values()]
        dying = [p for p in pods if p.node in rollout.nodes and rollout.is_new(p) and p.hopeless]
        if dying:
            raise _dying(gateway, dying[0])
        done = rollout.successors(pods)
        waiting = [rollout.waiting(node, pods) for node in sorted(rollout.nodes - set(done))]
        _forget_removed(gateway, rollout, waiting)
        waiting = [one for one in waiting if one.node in rollout.nodes]
        report(list(done.values()), waiting)
        if not waiting:
            return done
        late = rollout.late(waiting, successor_deadline)
        if late:
            raise _late(gateway, late, successor_deadline)
    raise RolloutFailed(
        f"the rollout did not end within {deadline:.0f} s;"
        f" waiting for {', '.join(f'{w.node} ({w.why})' for w in waiting[:5])}",
        cluster=gateway.cluster,
        node=waiting[0].node if len(waiting) == 1 else None,
        next_step="raise policy.deadlines.rollout if the cluster is only slow, and run it again",
    )


def _forget_removed(gateway: Gateway, rollout: _Rollout, waiting: Iterable[Waiting]) -> None:
    """Drop a node that has had no pod for a while and is no longer in the cluster."""
    without = [one for one in waiting if one.why == "no pod there yet"]
    long = rollout.late(without, GONE_AFTER)
    if long is None:
        return
    with suppress(ApiError):
        if gateway.find(NODES, long.node) is None:
            rollout.nodes.discard(long.node)


def _late(gateway: Gateway, late: Waiting, allowed: float) -> RolloutFailed:
    return RolloutFailed(
        f"no Ready kube-proxy {allowed:.0f} s after the old pod: {late.why}",
        cluster=gateway.cluster,
        node=late.node,
        next_step=f"kubectl -n {KUBE_SYSTEM} describe pod"
        f" --field-selector spec.nodeName={late.node} -l {KUBE_PROXY_LABEL}",
    )


def _dying(gateway: Gateway, pod: ProxyPod) -> RolloutFailed:
    told = f"{pod.waiting}, {pod.restarts} restarts{f' ({pod.detail})' if pod.detail else ''}"
    return RolloutFailed(
        f"kube-proxy pod {pod.name} does not come up: {told}{last_words(gateway, pod)}",
        cluster=gateway.cluster,
        node=pod.node,
        next_step=f"kubectl -n {KUBE_SYSTEM} logs {pod.name} --previous",
    )


def last_words(gateway: Gateway, pod: ProxyPod) -> str:
    """The last lines of a dying pod's log, as the end of a sentence."""
    log = ""
    # A container that has just been started again has said nothing yet; the one before has.
    for previous in (False, True):
        with suppress(ApiError):
            log = (
                log or gateway.log(KUBE_SYSTEM, pod.name, tail=LOG_LINES, previous=previous).strip()
            )
    if not log:
        return "; it has no log"
    return "; its last log lines:" + "".join(f"\n    | {line}" for line in log.splitlines())
