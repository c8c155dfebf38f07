"""kube-proxy's DaemonSet: restart it as `kubectl rollout restart` does, and hold it."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from nftwave.errors import Conflict
from nftwave.kube.converge import Converged, converge
from nftwave.kube.errors import ApiConflict, ApiUnavailable
from nftwave.kube.objects import (
    KUBE_PROXY,
    KUBE_PROXY_LABEL,
    KUBE_SYSTEM,
    RESTARTED_AT,
    DaemonSetView,
)
from nftwave.kube.resources import CONTROLLER_REVISIONS, DAEMON_SETS
from nftwave.kube.waiting import follow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object

RESTART_ATTEMPTS = 5
HOLD_DEADLINE = 120.0
"""Seconds for which a hold is tried: an API server behind a load balancer restarts in that time."""
CONTROLLER_DEADLINE = 60.0
"""Seconds for the DaemonSet controller to take a change in; it takes less than one."""

ON_DELETE = {"updateStrategy": {"$retainKeys": ["type"], "type": "OnDelete"}}
"""As recorded from kube-apiserver 1.36.2: without $retainKeys the server refuses the
rollingUpdate block that stays behind."""


def read_daemon_set(gateway: Gateway) -> Object:
    """The kube-proxy DaemonSet as it is now."""
    return gateway.get(DAEMON_SETS, KUBE_PROXY, KUBE_SYSTEM)


def stamp() -> str:
    """Now, as `kubectl rollout restart` writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def restart(
    gateway: Gateway,
    planned: DaemonSetView,
    *,
    at: str,
    strategy: Mapping[str, Any],
    dry_run: bool = False,
) -> Converged:
    """Set the annotation that makes the DaemonSet controller replace all pods.

    Args:
        planned: the DaemonSet that the plan was made for.
        at: what is written; the same again restarts nothing, so a rerun only goes on.
        strategy: updateStrategy to be in force: a hold of an earlier run is ended by it.

    Raises:
        Conflict: the DaemonSet's pods or its strategy are no longer what the plan was made for.
    """

    def is_wanted(now: Object) -> bool:
        same_strategy = now["spec"].get("updateStrategy") == strategy
        return DaemonSetView.of(now).restarted_at == at and same_strategy

    def change(now: Object) -> Object:
        _as_planned(now, planned.object, gateway.cluster)
        patch = {
            "metadata": {"resourceVersion": now["metadata"]["resourceVersion"]},
            "spec": {
                "template": {"metadata": {"annotations": {RESTARTED_AT: at}}},
                "updateStrategy": strategy,
            },
        }
        return _patch(gateway, patch, dry_run=dry_run)

    if dry_run:
        return _persistently(lambda: Converged(change(read_daemon_set(gateway)), changed=False))
    return _persistently(lambda: converge(lambda: read_daemon_set(gateway), is_wanted, change))


def hold(gateway: Gateway, *, dry_run: bool = False) -> Converged:
    """Set the update strategy to OnDelete: from then on no pod is replaced unless deleted.

    Without a precondition: whatever else was changed, no further node must be. Tried for
    `HOLD_DEADLINE` seconds.

    Raises:
        ApiError: refused, or the API server stayed away.
    """
    until = time.monotonic() + HOLD_DEADLINE
    while True:
        try:
            if dry_run:
                return Converged(_patch(gateway, {"spec": ON_DELETE}, dry_run=True), changed=False)
            return converge(
                lambda: read_daemon_set(gateway),
                lambda now: DaemonSetView.of(now).strategy == "OnDelete",
                lambda _: _patch(gateway, {"spec": ON_DELETE}),
            )
        except ApiUnavailable:
            if time.monotonic() > until:
                raise


def release(gateway: Gateway, strategy: Mapping[str, Any], *, template: str) -> Converged:
    """Put the update strategy back that was in force before the hold. Restarts nothing.

    Args:
        template: digest of the pods' template under which the nodes were proven: of another one
            all pods would be made anew the moment the hold ends.

    Raises:
        Conflict: the template is another one; the hold stays.
    """

    def change(now: Object) -> Object:
        if template_digest(DaemonSetView.of(now)) != template:
            raise Conflict(
                "the pods' template of DaemonSet kube-system/kube-proxy was changed meanwhile:"
                " ending the hold would replace every kube-proxy pod",
                cluster=gateway.cluster,
                unchanged="the hold stays (updateStrategy OnDelete)",
                next_step="see who changed it (`kubectl -n kube-system get ds kube-proxy -o yaml"
                " --show-managed-fields`), then run this again: it plans anew",
            )
        version = {"resourceVersion": now["metadata"]["resourceVersion"]}
        return _patch(gateway, {"metadata": version, "spec": {"updateStrategy": strategy}})

    return _persistently(
        lambda: converge(
            lambda: read_daemon_set(gateway),
            lambda now: now["spec"].get("updateStrategy") == strategy,
            change,
        )
    )


def forget_restart(gateway: Gateway, before: str) -> Converged:
    """Put the restart annotation back to what it was; under OnDelete that restarts nothing.

    Args:
        before: its value; empty where there was none.
    """

    def change(now: Object) -> Object:
        annotations = {RESTARTED_AT: before or None}
        version = {"resourceVersion": now["metadata"]["resourceVersion"]}
        template = {"metadata": {"annotations": annotations}}
        return _patch(gateway, {"metadata": version, "spec": {"template": template}})

    return _persistently(
        lambda: converge(
            lambda: read_daemon_set(gateway),
            lambda now: DaemonSetView.of(now).restarted_at == before,
            change,
        )
    )


def template_digest(daemon_set: DaemonSetView) -> str:
    """SHA-256 over what the DaemonSet's pods are made from, but for the restart annotation."""
    spec = daemon_set.object["spec"]["template"]["spec"]
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _persistently(change: Callable[[], Converged]) -> Converged:
    """Again where only the controller wrote the status between reading and writing."""
    for attempt in range(RESTART_ATTEMPTS):
        try:
            return change()
        except ApiConflict:
            if attempt == RESTART_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")  # the last attempt returns or raises


def _patch(gateway: Gateway, patch: Mapping[str, Any], *, dry_run: bool = False) -> Object:
    return gateway.merge(
        DAEMON_SETS, KUBE_PROXY, patch, KUBE_SYSTEM, strategic=True, dry_run=dry_run
    )


def _as_planned(now: Object, planned: Object, cluster: str) -> None:
    """See that nobody changed what the restart would act on."""
    pods = now["spec"]["template"]["spec"] == planned["spec"]["template"]["spec"]
    strategy = now["spec"].get("updateStrategy") == planned["spec"].get("updateStrategy")
    if not (pods and strategy):
        what = "the pods' template" if not pods else "the update strategy"
        raise Conflict(
            f"DaemonSet kube-system/kube-proxy was changed since it was read: {what}",
            cluster=cluster,
            unchanged="kube-proxy was not restarted",
            next_step="see who changed it (`kubectl -n kube-system get ds kube-proxy -o yaml"
            " --show-managed-fields`), then run this again: it plans anew",
        )


def taken_in(gateway: Gateway) -> str:
    """Wait until the controller has seen the newest template; the revision hash of its pods.

    Raises:
        Conflict: it does not take it in: the controller does not run.
    """
    until = time.monotonic() + CONTROLLER_DEADLINE
    for objects in follow(gateway, DAEMON_SETS, KUBE_SYSTEM, until=until):
        view = DaemonSetView.of(objects[KUBE_PROXY])
        if view.observed_generation >= view.generation:
            return current_revision(gateway)
    raise Conflict(
        f"the DaemonSet controller did not see the restart within {CONTROLLER_DEADLINE:.0f} s",
        cluster=gateway.cluster,
        next_step="see that kube-controller-manager runs",
    )


def current_revision(gateway: Gateway) -> str:
    """Hash of the DaemonSet's newest template, as pods made from it carry it."""
    listing = gateway.list(CONTROLLER_REVISIONS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL)
    newest = max(listing.items, key=lambda revision: revision["revision"], default=None)
    labels = newest["metadata"].get("labels") or {} if newest else {}
    return str(labels.get("controller-revision-hash", ""))
