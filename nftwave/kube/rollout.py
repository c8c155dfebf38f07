"""Restarting kube-proxy as `kubectl rollout restart` does, and waiting for the successors.

kube-proxy has no readiness probe, so a successor counts as Ready the moment its container runs,
also when it dies a second later (measured, kube-proxy 1.36.2). Ready is therefore only the sign
that verification can begin; and every pod is looked at on each change, also those that were Ready
before.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nftwave.errors import RolloutFailed
from nftwave.kube.converge import Converged, converge
from nftwave.kube.errors import ApiConflict, ApiError
from nftwave.kube.objects import (
    KUBE_PROXY,
    KUBE_PROXY_LABEL,
    KUBE_SYSTEM,
    RESTARTED_AT,
    DaemonSetView,
    ProxyPod,
)
from nftwave.kube.resources import CONTROLLER_REVISIONS, DAEMON_SETS, PODS, Object
from nftwave.kube.waiting import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nftwave.kube.gateway import Gateway

LOG_LINES = 12
"""Last lines of a dying container's log that a failure shows."""


def read_daemon_set(gateway: Gateway) -> Object:
    """The kube-proxy DaemonSet as it is now."""
    return gateway.get(DAEMON_SETS, KUBE_PROXY, KUBE_SYSTEM)


def read_pods(gateway: Gateway) -> tuple[ProxyPod, ...]:
    """All kube-proxy pods as they are now."""
    listing = gateway.list(PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL)
    return tuple(ProxyPod.of(item) for item in listing.items)


def stamp() -> str:
    """Now, as `kubectl rollout restart` writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def restart(
    gateway: Gateway, *, at: str, strategy: Mapping[str, Any], dry_run: bool = False
) -> Converged:
    """Set the annotation that makes the DaemonSet controller replace all pods.

    Args:
        at: what is written; the same again restarts nothing, so a rerun only goes on.
        strategy: updateStrategy to be in force: a hold of an earlier run is ended by it.
    """
    spec = {
        "template": {"metadata": {"annotations": {RESTARTED_AT: at}}},
        "updateStrategy": strategy,
    }
    return _patch(
        gateway,
        is_wanted=lambda ds: (
            DaemonSetView.of(ds).restarted_at == at and ds["spec"]["updateStrategy"] == strategy
        ),
        spec=spec,
        dry_run=dry_run,
    )


def current_revision(gateway: Gateway) -> str:
    """Hash of the DaemonSet's newest template, as pods made from it carry it."""
    listing = gateway.list(CONTROLLER_REVISIONS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL)
    newest = max(listing.items, key=lambda revision: revision["revision"], default=None)
    labels = newest["metadata"].get("labels") or {} if newest else {}
    return str(labels.get("controller-revision-hash", ""))


def hold(gateway: Gateway, *, dry_run: bool = False) -> Converged:
    """Set the update strategy to OnDelete: from then on no pod is replaced unless deleted."""
    return _patch(
        gateway,
        is_wanted=lambda ds: DaemonSetView.of(ds).strategy == "OnDelete",
        # As recorded from kube-apiserver 1.36.2: without $retainKeys the server refuses the
        # rollingUpdate block that stays behind.
        spec={"updateStrategy": {"$retainKeys": ["type"], "type": "OnDelete"}},
        dry_run=dry_run,
    )


def _patch(
    gateway: Gateway,
    *,
    is_wanted: Callable[[Object], bool],
    spec: Mapping[str, Any],
    dry_run: bool,
) -> Converged:
    def change(now: Object, *, dry: bool = False) -> Object:
        patch = {"metadata": {"resourceVersion": now["metadata"]["resourceVersion"]}, "spec": spec}
        return gateway.merge(
            DAEMON_SETS, KUBE_PROXY, patch, KUBE_SYSTEM, strategic=True, dry_run=dry
        )

    for attempt in range(5):
        try:
            if dry_run:
                return Converged(change(read_daemon_set(gateway), dry=True), changed=False)
            return converge(lambda: read_daemon_set(gateway), is_wanted, change)
        except ApiConflict:
            # The controller writes the status all the time during a rollout. That is not drift,
            # and the patch names only fields that it means to change.
            if attempt == 4:
                raise
    raise AssertionError("unreachable")  # the fifth attempt returns or raises


@dataclass(frozen=True)
class Waiting:
    """A node whose successor is still waited for, and why."""

    node: str
    why: str


def await_successors(
    gateway: Gateway,
    before: Mapping[str, str],
    *,
    deadline: float,
    successor_deadline: float,
    report: Callable[[Sequence[ProxyPod], Sequence[Waiting]], None],
) -> dict[str, ProxyPod]:
    """Wait until each node's kube-proxy pod has a Ready successor.

    Args:
        before: uid of the pod that is to be replaced, by node.
        deadline: seconds for all nodes together.
        successor_deadline: seconds for one node, from the end of its old pod.
        report: called after each change with the successors that are Ready and what is waited for.

    Returns:
        The successor by node.

    Raises:
        RolloutFailed: a successor cannot start or keeps dying (with the last lines of its log),
            or a deadline passed; names the node and why.
    """
    begin = time.monotonic()
    gone_since: dict[str, float] = {}
    for objects in follow(
        gateway, PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL, until=begin + deadline
    ):
        pods = [ProxyPod.of(item) for item in objects.values()]
        done = {p.node: p for p in pods if p.node in before and _succeeds(p, before)}
        hopeless = next((p for p in pods if p.node in before and p.hopeless), None)
        if hopeless and hopeless.uid != before[hopeless.node]:
            raise _dying(gateway, hopeless)
        waiting = [_waiting(node, pods, before) for node in before if node not in done]
        report(list(done.values()), waiting)
        if not waiting:
            return done
        late = _late(waiting, pods, before, gone_since, successor_deadline)
        if late:
            raise RolloutFailed(
                f"no Ready kube-proxy {successor_deadline:.0f} s after the old pod: {late.why}",
                cluster=gateway.cluster,
                node=late.node,
                next_step=f"kubectl -n {KUBE_SYSTEM} describe pod"
                f" --field-selector spec.nodeName={late.node} -l {KUBE_PROXY_LABEL}",
            )
    raise RolloutFailed(
        f"the rollout did not end within {deadline:.0f} s;"
        f" waiting for {', '.join(f'{w.node} ({w.why})' for w in waiting[:5])}",
        cluster=gateway.cluster,
        node=waiting[0].node if len(waiting) == 1 else None,
        next_step="raise policy.deadlines.rollout if the cluster is only slow, and run it again",
    )


def _succeeds(pod: ProxyPod, before: Mapping[str, str]) -> bool:
    return pod.uid != before[pod.node] and pod.ready and not pod.deleting and not pod.hopeless


def _waiting(node: str, pods: Sequence[ProxyPod], before: Mapping[str, str]) -> Waiting:
    here = [p for p in pods if p.node == node]
    new = next((p for p in here if p.uid != before[node] and not p.deleting), None)
    if new:
        return Waiting(
            node, f"pod {new.name} is {new.state()}{f': {new.detail}' if new.detail else ''}"
        )
    if any(p.deleting for p in here):
        return Waiting(node, "the old pod is terminating")
    if here:
        return Waiting(node, "not its turn yet")
    return Waiting(node, "no pod there yet")


def _late(
    waiting: Sequence[Waiting],
    pods: Sequence[ProxyPod],
    before: Mapping[str, str],
    gone_since: dict[str, float],
    allowed: float,
) -> Waiting | None:
    """A node that has been without its old pod for longer than allowed."""
    now = time.monotonic()
    still_old = {p.node for p in pods if p.uid == before.get(p.node) and not p.deleting}
    for one in waiting:
        if one.node in still_old:
            gone_since.pop(one.node, None)
        elif now - gone_since.setdefault(one.node, now) > allowed:
            return one
    return None


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
    with suppress(ApiError):
        log = gateway.log(KUBE_SYSTEM, pod.name, tail=LOG_LINES).strip()
    if not log:
        return "; it has no log"
    return "; its last log lines:" + "".join(f"\n    | {line}" for line in log.splitlines())
