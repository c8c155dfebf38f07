"""What the API's objects show of a node's faults, as kubelet and node controller write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.manifests import nodes

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.store.store import Store


def show_fault(store: Store, node: SimNode, name: str) -> None:
    """What of a fault shows in the node's object at once."""
    active = name in node.faults
    found = store.get("nodes", None, node.name)
    if found is None:
        return
    status = found["status"]
    if name == "old-kernel":
        node.set_old_kernel(old=active)
        info = {**status["nodeInfo"], "kernelVersion": node.kernel.release}
        status = {**status, "nodeInfo": info}
    elif name == "node-not-ready":
        ready = nodes.SILENT if active else nodes.READY
        status = {**status, "conditions": nodes.conditions(ready, timestamp())}
        _taint(store, found, active=active)
        _pods_ready(store, node, ready=not active)
        found = store.get("nodes", None, node.name) or found
    else:
        return
    store.update("nodes", {**found, "status": status}, manager="kubelet", subresource="status")


def _taint(store: Store, node: Object, *, active: bool) -> None:
    """The node controller's taints on a silent node."""
    key = "node.kubernetes.io/unreachable"
    taints = [taint for taint in node["spec"].get("taints", []) if taint["key"] != key]
    if active:
        taints += [
            {"key": key, "effect": effect, "timeAdded": timestamp()}
            for effect in ("NoSchedule", "NoExecute")
        ]
    spec = {key: value for key, value in node["spec"].items() if key != "taints"}
    changed = {**node, "spec": {**spec, **({"taints": taints} if taints else {})}}
    store.update("nodes", changed, manager="kube-controller-manager")


def _pods_ready(store: Store, node: SimNode, *, ready: bool) -> None:
    """The node controller marks the pods of a silent node as not ready."""
    for worker in node.kubelet.pods.values():
        pod = store.get("pods", worker.namespace, worker.name)
        if pod is None or not worker.container.running:
            continue
        conditions = [
            {**one, "status": str(ready), "lastTransitionTime": timestamp()}
            if one["type"] == "Ready"
            else one
            for one in pod["status"].get("conditions", [])
        ]
        changed = {**pod, "status": {**pod["status"], "conditions": conditions}}
        store.update("pods", changed, manager="kube-controller-manager", subresource="status")
