"""A kubeadm upgrade that stands still half-way: control planes ahead of kube-proxy.

kubeadm upgrades kube-proxy only when all control planes have been upgraded (Kubernetes 1.36
source, cmd/kubeadm/app/phases/upgrade/postupgrade.go); until then its image stays the old one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.cluster.seed import COMPONENTS, Seed
from nftwave.lab.manifests import config

if TYPE_CHECKING:
    from nftwave.lab.cluster.cluster import Cluster

FAULT = "kubeadm-upgrade-midway"


def follow(cluster: Cluster) -> None:
    """Bring each control plane to the version that the faults say, and kubeadm-config with it."""
    names = cluster.control_planes
    for name in names:
        _bring(cluster, name, _next_patch(cluster.version) if _ahead(cluster, name) else "")
    begun = any(_ahead(cluster, name) for name in names)
    version = _next_patch(cluster.version) if begun else cluster.version
    found = cluster.store.get("configmaps", "kube-system", "kubeadm-config")
    if found:
        wanted = config.kubeadm_config(cluster.name, cluster.api.url, version)["data"]
        cluster.store.update("configmaps", {**found, "data": wanted}, manager="kubeadm")
    # The lab serves the API of the first one.
    first_ahead = _ahead(cluster, names[0])
    cluster.api.claim_version(version if first_ahead else cluster.version)


def _ahead(cluster: Cluster, name: str) -> bool:
    first = name == cluster.control_planes[0]
    return FAULT in cluster.nodes[name].faults or (first and FAULT in cluster.faults)


def _bring(cluster: Cluster, name: str, newer: str) -> None:
    version = newer or cluster.version
    node = cluster.store.get("nodes", None, name)
    if node is None or node["status"]["nodeInfo"]["kubeletVersion"] == version:
        return
    info = {**node["status"]["nodeInfo"], "kubeletVersion": version}
    status = {**node["status"], "nodeInfo": info}
    cluster.store.update(
        "nodes", {**node, "status": status}, manager="kubelet", subresource="status"
    )
    Seed(cluster).run_control_plane(name, version, components=COMPONENTS)


def _next_patch(version: str) -> str:
    minor, _, patch = version.rpartition(".")
    return f"{minor}.{int(patch) + 1}"
