"""The disruption controller: how many pods of a PodDisruptionBudget may go now.

Rules: Kubernetes 1.36 source, pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nftwave.lab.cluster.following import MANAGER, of_a_replica_set, owner_of
from nftwave.lab.cluster.replicas import REPLICA_SETS
from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.machinery.selectors import selector_of
from nftwave.lab.manifests.pods import is_available

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store

BUDGETS = "poddisruptionbudgets.policy"


class Disruption:
    """Writes the status of the budgets of one cluster."""

    follows = (BUDGETS, REPLICA_SETS, "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def concerns(self, event: Event) -> bool:
        """Budgets, and pods that a budget can be about: those of ReplicaSets or of nobody."""
        return of_a_replica_set(event) or owner_of(event.version.obj)[0] == ""

    def look(self) -> None:
        """Write each status that is not as it should be."""
        for budget in self._store.list(BUDGETS):
            status = self._status(budget)
            if status != budget.get("status"):
                changed = {**budget, "status": status}
                self._store.update(BUDGETS, changed, manager=MANAGER, subresource="status")

    def _status(self, budget: Object) -> Object:
        metadata, spec = budget["metadata"], budget["spec"]
        wanted = selector_of(spec.get("selector"))
        pods = [pod for pod in self._store.list("pods", metadata["namespace"]) if wanted(pod)]
        expected, desired = self._counts(spec, pods)
        before = budget.get("status") or {}
        going = _still_to_go(before.get("disruptedPods", {}), pods)
        healthy = sum(is_available(pod) and pod["metadata"]["name"] not in going for pod in pods)
        allowed = max(healthy - desired, 0) if expected else 0
        return {
            "observedGeneration": metadata["generation"],
            **({"disruptedPods": going} if going else {}),
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "conditions": _conditions(before, metadata["generation"], allowed=bool(allowed)),
        }

    def _counts(self, spec: Object, pods: list[Object]) -> tuple[int, int]:
        """How many pods there should be, and how many of them have to be healthy."""
        if "minAvailable" in spec and not isinstance(spec["minAvailable"], str):
            return len(pods), int(spec["minAvailable"])
        # By the size of their owners: pods that are missing are missed.
        sizes = {
            one["metadata"]["uid"]: one["spec"]["replicas"]
            for one in self._store.list(REPLICA_SETS)
        }
        expected = sum(sizes.get(uid, 0) for uid in {owner_of(pod)[1] for pod in pods})
        if "minAvailable" in spec:
            return expected, _share(spec["minAvailable"], expected)
        return expected, max(expected - _share(spec.get("maxUnavailable", 0), expected), 0)


def _share(value: int | str, of: int) -> int:
    """A number, or per cent of it, rounded up."""
    return math.ceil(of * int(value[:-1]) / 100) if isinstance(value, str) else value


def _still_to_go(charged: Object, pods: list[Object]) -> Object:
    """Evicted pods whose end the controller has not seen yet."""
    ending = {pod["metadata"]["name"]: "deletionTimestamp" in pod["metadata"] for pod in pods}
    return {name: moment for name, moment in charged.items() if ending.get(name) is False}


def _conditions(before: Object, generation: int, *, allowed: bool) -> list[Object]:
    value = "True" if allowed else "False"
    old: Object = next(iter(before.get("conditions", [])), {})
    return [
        {
            "type": "DisruptionAllowed",
            "status": value,
            "observedGeneration": generation,
            "lastTransitionTime": (
                old["lastTransitionTime"] if old.get("status") == value else timestamp()
            ),
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
        }
    ]
