"""Evictions: `POST …/pods/NAME/eviction`, within what PodDisruptionBudgets allow.

Order, answers and wording: Kubernetes 1.36 source, pkg/registry/core/pod/storage/eviction.go.
Pods of a DaemonSet can be evicted as others are; leaving them alone is the client's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.api import writes
from nftwave.lab.api.calls import Answer, json_answer
from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.machinery.selectors import selector_of
from nftwave.lab.manifests.pods import is_available

if TYPE_CHECKING:
    from nftwave.lab.api.calls import Call
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.store import Store

BUDGETS = "poddisruptionbudgets.policy"
MANAGER = "kube-apiserver"
SEVERAL = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
    "support."
)
VIOLATED = "Cannot evict pod as it would violate the pod's disruption budget."
PROCESS_AGAIN = 10  # seconds until a budget that was just made may be asked again


def evict(store: Store, call: Call) -> Answer:
    """Evict a pod.

    Raises:
        ApiStatus: 400 for a body that is no Eviction of this pod, 404 if there is no such pod,
            409 if it is not the one of the preconditions, 429 if its budget does not allow it,
            500 if it has several budgets.
    """
    body = _body(call)
    info = call.info
    pod = store.version("pods", info.namespace, info.name).obj
    options: Object = body.get("deleteOptions") or {}
    budget = None if _needs_no_budget(pod) else _budget(store, pod)
    unhealthy = budget is not None and not is_available(pod) and _healthy_enough(budget)
    if budget is not None and not unhealthy:
        _check(budget)
    # Asked before the budget is charged, so that a stale eviction leaves no trace.
    writes.check_preconditions(store, store.resources["pods"], pod, options)
    if budget is not None and not unhealthy and not call.dry_run:
        _charge(store, budget, info.name)
    if not call.dry_run:
        _announce(store, pod)
    writes.end(store, store.resources["pods"], call, options)
    succeeded = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return json_answer(201, {**succeeded, "code": 201})


def _body(call: Call) -> Object:
    body: Any = call.json()
    if not isinstance(body, dict) or body.get("kind", "Eviction") != "Eviction":
        raise status.bad_request(f"not an Eviction object: {body!r}")
    if body.get("metadata", {}).get("name") != call.info.name:
        raise status.bad_request("name in URL does not match name in Eviction object")
    return body


def _needs_no_budget(pod: Object) -> bool:
    """Whether the pod serves nobody: it has ended, never begun, or is ending already."""
    phase = pod.get("status", {}).get("phase")
    return phase in {"Succeeded", "Failed", "Pending"} or "deletionTimestamp" in pod["metadata"]


def _budget(store: Store, pod: Object) -> Object | None:
    found = [
        one
        for one in store.list(BUDGETS, pod["metadata"]["namespace"])
        if selector_of(one["spec"].get("selector"))(pod)
    ]
    if len(found) > 1:
        raise status.ApiStatus(500, "", SEVERAL)
    return found[0] if found else None


def _healthy_enough(budget: Object) -> bool:
    """Whether a pod that is not ready may go: IfHealthyBudget, the default policy."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    now = budget.get("status") or {}
    wanted = now.get("desiredHealthy", 0)
    return bool(0 < wanted <= now.get("currentHealthy", 0))


def _check(budget: Object) -> None:
    now = budget.get("status") or {}
    name = budget["metadata"]["name"]
    if now.get("observedGeneration", 0) < budget["metadata"].get("generation", 1):
        raise _refused(
            f"The disruption budget {name} is still being processed by the server.", PROCESS_AGAIN
        )
    if now.get("disruptionsAllowed", 0) <= 0:
        wanted, healthy = now.get("desiredHealthy", 0), now.get("currentHealthy", 0)
        raise _refused(
            f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"
        )


def _refused(why: str, again: int = 0) -> status.ApiStatus:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if again:
        details["retryAfterSeconds"] = again
    headers = {"Retry-After": str(again)} if again else {}
    return status.ApiStatus(429, "TooManyRequests", VIOLATED, details=details, headers=headers)


def _charge(store: Store, budget: Object, pod: str) -> None:
    """Count the eviction at once: the controller sees the pod go only later."""
    now = budget["status"]
    charged = {
        **now,
        "disruptionsAllowed": now["disruptionsAllowed"] - 1,
        "disruptedPods": {**now.get("disruptedPods", {}), pod: timestamp()},
    }
    store.update(BUDGETS, {**budget, "status": charged}, manager=MANAGER, subresource="status")


def _announce(store: Store, pod: Object) -> None:
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    others = [
        one
        for one in pod.get("status", {}).get("conditions", [])
        if one["type"] != condition["type"]
    ]
    changed = {**pod, "status": {**pod.get("status", {}), "conditions": [*others, condition]}}
    store.update("pods", changed, manager=MANAGER, subresource="status")
