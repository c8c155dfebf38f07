"""The taint of a cordoned node, as the node lifecycle controller makes it.

Kubernetes 1.36 source, pkg/controller/nodelifecycle: `node.kubernetes.io/unschedulable` with
NoSchedule follows `spec.unschedulable`, a moment later and by a write of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.cluster.following import MANAGER
from nftwave.lab.cluster.placement import UNSCHEDULABLE
from nftwave.lab.machinery.objects import timestamp

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store


class Cordons:
    """Keeps the taints of one cluster's nodes in line with their cordons."""

    follows = ("nodes",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def concerns(self, event: Event) -> bool:
        """Nodes whose taint and cordon disagree."""
        return event.type != "DELETED" and _disagrees(event.version.obj)

    def look(self) -> None:
        """Taint the cordoned, take the taint off others."""
        for node in self._store.list("nodes"):
            if _disagrees(node):
                self._store.update("nodes", _in_line(node), manager=MANAGER)


def _disagrees(node: Object) -> bool:
    return bool(node["spec"].get("unschedulable")) != any(map(_is_mine, _taints(node)))


def _in_line(node: Object) -> Object:
    taints = [taint for taint in _taints(node) if not _is_mine(taint)]
    if node["spec"].get("unschedulable"):
        taints.append({**UNSCHEDULABLE, "timeAdded": timestamp()})
    return {**node, "spec": {**node["spec"], "taints": taints}}


def _taints(node: Object) -> list[Object]:
    found: list[Object] = node["spec"].get("taints", [])
    return found


def _is_mine(taint: Object) -> bool:
    return {key: taint[key] for key in ("key", "effect")} == UNSCHEDULABLE
