"""What a cluster's faults do beyond what its nodes and its API server look up themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from nftwave.lab.cluster import upgrade
from nftwave.lab.cluster.busy import Busy
from nftwave.lab.cluster.earlyflip import EarlyFlip
from nftwave.lab.cluster.gitops import GitOps
from nftwave.lab.cluster.nodecontroller import show_fault
from nftwave.lab.kernel.ipvs import VirtualServer

if TYPE_CHECKING:
    from nftwave.lab.cluster.cluster import Cluster
    from nftwave.lab.node.node import SimNode

CLUSTER_FAULTS = {
    "gitops-revert": "Argo CD owns the ConfigMap kube-proxy and puts it back after each change",
}
CONTROL_PLANE_FAULTS = {
    upgrade.FAULT: "a control plane is one patch release ahead, and kube-proxy's image is not",
}
BUSY = {"busy": True, "always-busy": False}  # whether it passes
FOREIGN = VirtualServer("tcp", "192.0.2.10", 80, "rr", (("192.0.2.21", 8080),))


class Running(Protocol):
    """A fault that goes on by itself."""

    def stop(self) -> None:
        """End it."""
        ...


class Mischief:
    """Begins and ends the faults of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._running: dict[tuple[str, str], Running] = {}

    def begin(self, node: SimNode | None, name: str) -> None:
        """A fault of a node, or without one of the cluster, has begun."""
        cluster = self._cluster
        place = (node.name if node else "-", name)
        if place in self._running:
            return
        if name == "gitops-revert":
            self._running[place] = GitOps(cluster.store, cluster.pace)
        elif name == "early-flip" and node:
            self._running[place] = EarlyFlip(cluster.store, node, cluster.pace)
        elif name in BUSY and node:
            self._running[place] = Busy(node, cluster.pace, fades=BUSY[name])
        elif name == "foreign-ipvs" and node:
            node.kernel.add_foreign(FOREIGN)
        else:
            self._show(node, name)

    def end(self, node: SimNode | None, name: str) -> None:
        """A fault has ended."""
        running = self._running.pop((node.name if node else "-", name), None)
        if running:
            running.stop()
        elif name == "foreign-ipvs" and node:
            node.kernel.foreign = []
        else:
            self._show(node, name)

    def _show(self, node: SimNode | None, name: str) -> None:
        if name == upgrade.FAULT:
            upgrade.follow(self._cluster)
        elif node:
            show_fault(self._cluster.store, node, name)

    def stop(self) -> None:
        """End what goes on; the lab goes down."""
        for running in self._running.values():
            running.stop()
        self._running.clear()
