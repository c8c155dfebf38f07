"""A tiny scheduler: pods without a node get one that is Ready, not cordoned, and least used."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nftwave.lab.cluster.following import owner_of
from nftwave.lab.cluster.placement import feasible
from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.manifests.nodes import CONTROL_PLANE
from nftwave.lab.store.events import Recorder

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store

NAME = "default-scheduler"


class Scheduler:
    """Binds the pods of one cluster."""

    follows = ("pods", "nodes")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = Recorder(store, NAME, NAME)

    def concerns(self, event: Event) -> bool:
        """A pod without a node, or a node: it may have become free."""
        return event.version.resource.key == "nodes" or _waits(event.version.obj)

    def look(self) -> None:
        """Bind every pod that waits and has a place."""
        pods = self._store.list("pods")
        waiting = [pod for pod in pods if _waits(pod)]
        if not waiting:
            return
        nodes = self._store.list("nodes")
        placed = [(owner_of(pod)[1], pod["spec"]["nodeName"]) for pod in pods if not _waits(pod)]
        together = Counter(placed)
        load = Counter(node for _, node in placed)
        for pod in waiting:
            owner = owner_of(pod)[1]
            names = {
                node["metadata"]["name"]: CONTROL_PLANE in node["metadata"].get("labels", {})
                for node in nodes
                if feasible(pod, node)
            }
            if not names:
                self._refuse(pod, len(nodes))
                continue
            # Apart from its like first, then where there is least, workers before control planes.
            node = min(names, key=lambda one: (together[owner, one], names[one], load[one], one))
            together[owner, node] += 1
            load[node] += 1
            self._bind(pod, node)

    def _bind(self, pod: Object, node: str) -> None:
        bound = {
            **pod,
            "spec": {**pod["spec"], "nodeName": node},
            "status": {**pod["status"], "conditions": [_condition("True")]},
        }
        self._store.update("pods", bound, manager="kube-scheduler", subresource="binding")
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        said = f"Successfully assigned {namespace}/{name} to {node}"
        self._events.record_new_style(pod, "Scheduled", said, "Binding")

    def _refuse(self, pod: Object, count: int) -> None:
        said = f"0/{count} nodes are available: no node is Ready, schedulable and tolerated."
        before = pod["status"].get("conditions", [])
        if before and before[0].get("message") == said:
            return
        refused = {**_condition("False"), "reason": "Unschedulable", "message": said}
        changed = {**pod, "status": {**pod["status"], "conditions": [refused]}}
        self._store.update("pods", changed, manager="kube-scheduler", subresource="status")
        self._events.record_new_style(pod, "FailedScheduling", said, "Scheduling")


def _waits(pod: Object) -> bool:
    return not pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]


def _condition(value: str) -> Object:
    return {
        "type": "PodScheduled",
        "status": value,
        "lastProbeTime": None,
        "lastTransitionTime": timestamp(),
    }
