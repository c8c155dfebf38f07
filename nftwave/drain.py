"""Emptying a node before its kube-proxy is replaced, as `kubectl drain` does.

A node that we cordon carries since when in an annotation, written in the same patch: whoever comes
after a killed run knows by it that the node may be uncordoned. A node that somebody else cordoned
has none, and stays cordoned.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nftwave.errors import NftwaveError
from nftwave.kube.converge import Converged, converge
from nftwave.kube.daemonset import stamp
from nftwave.kube.errors import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiNotFound,
    ApiUnavailable,
)
from nftwave.kube.mirror import Mirror
from nftwave.kube.resources import NODES, PODS
from nftwave.outcome import counted
from nftwave.tenants import Tenant, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.mirror import Key
    from nftwave.kube.resources import Object

CORDONED = "nftwave/cordoned"
"""Annotation of a node that we cordoned: since when (RFC 3339)."""
ATTEMPTS = 8
FIRST_WAIT, LONGEST_WAIT = 0.5, 5.0
"""Seconds until a pod is evicted again that a PodDisruptionBudget protects; kubectl waits 5 s."""
TERMINATING = "being terminated"
"""What the API server says of a namespace that ends; its pods end by themselves."""


class NotDrained(NftwaveError):
    """A node was not emptied; its kube-proxy was not touched."""


def cordon(gateway: Gateway, node: str) -> bool:
    """Keep new pods away from a node; whether it is us who keep them away.

    Raises:
        ApiError: refused, or the API server stayed away.
    """
    patch = {"metadata": {"annotations": {CORDONED: stamp()}}, "spec": {"unschedulable": True}}
    now = _patched(gateway, node, lambda node: bool(node["spec"].get("unschedulable")), patch)
    return _is_ours(now.object)


def uncordon(gateway: Gateway, node: str) -> bool:
    """Let pods come to a node again if it was us who kept them away; whether that was to be done.

    Raises:
        ApiError: refused, or the API server stayed away.
    """
    patch = {"metadata": {"annotations": {CORDONED: None}}, "spec": {"unschedulable": None}}
    try:
        return _patched(gateway, node, lambda node: not _is_ours(node), patch).changed
    except ApiNotFound:
        return False  # it left the cluster meanwhile


def drain(
    gateway: Gateway,
    node: str,
    *,
    deadline: float,
    tell: Callable[[str], None],
    unmanaged: bool = False,
    empty_dir: bool = True,
    may_go_on: Callable[[], None] = lambda: None,
) -> int:
    """Cordon a node and evict its pods, within their PodDisruptionBudgets, until they are gone.

    A drain that fails uncordons what we cordoned; evicted pods are elsewhere by then.

    Args:
        deadline: seconds for all of it.
        tell: called with what is waited for, whenever that changes.
        unmanaged: pods without a controller may be evicted: nobody makes them anew.
        empty_dir: pods with emptyDir volumes may be evicted: what is in these is lost.
        may_go_on: called before each change and now and then; what it raises ends the drain, and
            the node stays cordoned, with our annotation.

    Returns:
        How many pods were evicted.

    Raises:
        NotDrained: a pod may not be evicted (then nothing was), or the deadline passed.
        ApiError: refused, or the API server stayed away.
    """
    emptying = _Emptying(gateway, node, deadline, tell, may_go_on)
    try:
        emptying.refuse(_tenants(gateway, node), unmanaged=unmanaged, empty_dir=empty_dir)
        may_go_on()
        cordon(gateway, node)
        with emptying:
            # Again: a pod may have come between the look and the cordon.
            emptying.refuse(emptying.here(), unmanaged=unmanaged, empty_dir=empty_dir)
            emptying.until_empty()
    except (NotDrained, ApiError) as error:
        error.unchanged = _given_up(gateway, node)
        raise
    return emptying.evicted


class _Emptying:
    """One node that is being emptied, its pods followed by watch."""

    def __init__(
        self,
        gateway: Gateway,
        node: str,
        deadline: float,
        tell: Callable[[str], None],
        may_go_on: Callable[[], None],
    ) -> None:
        self._gateway = gateway
        self._node = node
        self._deadline = deadline
        self._until = time.monotonic() + deadline
        self._tell = tell
        self._may_go_on = may_go_on
        self._told = ""
        self._change = threading.Condition()
        self._changes = 0
        self._here: dict[Key, Tenant] = {}
        self._asked: set[str] = set()  # uids whose eviction was accepted
        self._next: dict[str, tuple[float, float]] = {}  # when to try again, and the wait before
        self._why: dict[str, str] = {}
        self._mirror = Mirror(gateway, PODS, fields=_of(node), put=self._put, remove=self._remove)

    @property
    def evicted(self) -> int:
        """Pods whose eviction was accepted."""
        return len(self._asked)

    def __enter__(self) -> None:
        self._mirror.start()

    def __exit__(self, *_: object) -> None:
        self._mirror.stop()

    def here(self) -> list[Tenant]:
        """Pods on the node now."""
        with self._change:
            return list(self._here.values())

    def refuse(self, tenants: Iterable[Tenant], *, unmanaged: bool, empty_dir: bool) -> None:
        """Raise NotDrained where a pod may not be evicted."""
        objections = [
            f"{one} ({why})"
            for one in tenants
            if (why := one.objection(unmanaged=unmanaged, empty_dir=empty_dir))
        ]
        if objections:
            raise NotDrained(
                f"not drained: {named(objections)}",
                cluster=self._gateway.cluster,
                node=self._node,
                next_step="move these pods away yourself, or allow it for this cluster:"
                " policy.drain.unmanaged: true, policy.drain.empty_dir: true",
            )

    def until_empty(self) -> None:
        """Evict what is there now, again and again where a budget does not allow it yet."""
        # Only what is there now: what comes to a cordoned node tolerates that, and would come back.
        wanted = {one.uid for one in self.here() if not one.stays}
        while True:
            seen = self._changes  # before the pods are read: what changes after that wakes us
            left = [one for one in self.here() if one.uid in wanted]
            if not left:
                return
            self._may_go_on()
            for one in left:
                if self._is_due(one):
                    self._may_go_on()
                    self._evict(one)
            if time.monotonic() >= self._until:
                raise self._late(left)
            self._say(left)
            self._await_change(seen, left)

    def _is_due(self, one: Tenant) -> bool:
        at, _ = self._next.get(one.uid, (0.0, 0.0))
        return not one.ending and one.uid not in self._asked and at <= time.monotonic()

    def _evict(self, one: Tenant) -> None:
        try:
            self._gateway.evict(one.name, one.namespace, uid=one.uid)
            self._asked.add(one.uid)
            self._why.pop(one.uid, None)
        except (ApiNotFound, ApiConflict):
            # It is gone, or the name is another's by now: the watch is only not that far yet.
            self._remove((one.namespace, one.name), one.uid)
        except ApiUnavailable as error:
            self._later(one, error.what, error.retry_after)
        except ApiForbidden as error:
            if TERMINATING not in error.what:
                raise
            self._later(one, error.what, 0)

    def _later(self, one: Tenant, why: str, asked: float) -> None:
        _, before = self._next.get(one.uid, (0.0, FIRST_WAIT / 2))
        wait = min(2 * before, LONGEST_WAIT)
        self._next[one.uid] = (time.monotonic() + max(wait, asked), wait)
        self._why[one.uid] = why

    def _await_change(self, seen: int, left: Iterable[Tenant]) -> None:
        """Until a pod changed, or one is due to be tried again, or the time is over."""
        due = [self._next[one.uid][0] for one in left if one.uid in self._next]
        until = min([*due, self._until, time.monotonic() + LONGEST_WAIT])
        with self._change:
            self._change.wait_for(lambda: self._changes != seen, max(until - time.monotonic(), 0))

    def _say(self, left: list[Tenant]) -> None:
        what = f"{counted(len(left), 'pod')} to leave: {named(map(self._state, left), 3)}"
        if what != self._told:
            self._told = what
            self._tell(what)

    def _state(self, one: Tenant) -> str:
        if one.ending or one.uid in self._asked:
            return f"{one} (terminating)"
        return f"{one} ({self._why.get(one.uid, 'not evicted yet')})"

    def _late(self, left: list[Tenant]) -> NotDrained:
        return NotDrained(
            f"not drained within {self._deadline:.0f} s; left: {named(map(self._state, left))}",
            cluster=self._gateway.cluster,
            node=self._node,
            next_step="see why they stay (a PodDisruptionBudget that allows none to go, a pod that"
            " takes long to end), or raise policy.drain.deadline; then run this again",
        )

    def _put(self, item: Object) -> None:
        one = Tenant.of(item)
        with self._change:
            self._here[one.namespace, one.name] = one
            self._changes += 1
            self._change.notify_all()

    def _remove(self, key: Key, uid: str = "") -> None:
        with self._change:
            found = self._here.get(key)
            if found and uid in ("", found.uid):
                del self._here[key]
            self._changes += 1
            self._change.notify_all()


def _of(node: str) -> str:
    return f"spec.nodeName={node}"


def _tenants(gateway: Gateway, node: str) -> list[Tenant]:
    return [Tenant.of(pod) for pod in gateway.list(PODS, fields=_of(node)).items]


def _given_up(gateway: Gateway, node: str) -> str:
    """Uncordon after a drain that failed; what is left of it, in words."""
    left = f"kube-proxy on {node} was not restarted"
    with suppress(ApiError):
        return left + ("; the node was uncordoned again" if uncordon(gateway, node) else "")
    return f"{left}; the node may still be cordoned (`kubectl uncordon {node}`)"


def _is_ours(node: Object) -> bool:
    return CORDONED in (node["metadata"].get("annotations") or {})


def _patched(
    gateway: Gateway, node: str, is_wanted: Callable[[Object], bool], patch: dict[str, Any]
) -> Converged:
    """Patch a Node under its resourceVersion, which its kubelet changes now and then too."""

    def change(now: Object) -> Object:
        meta = {**patch["metadata"], "resourceVersion": now["metadata"]["resourceVersion"]}
        return gateway.merge(NODES, node, {**patch, "metadata": meta})

    for attempt in range(ATTEMPTS):
        try:
            return converge(lambda: gateway.get(NODES, node), is_wanted, change)
        except ApiConflict:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")  # the last attempt returns or raises
