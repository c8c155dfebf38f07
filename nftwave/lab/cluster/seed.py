"""What a cluster holds when it is found: made by kubeadm, in ipvs mode for hours."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from nftwave.lab.cluster.daemonset import DAEMON_SETS, REVISIONS
from nftwave.lab.kernel import ipvs
from nftwave.lab.machinery.objects import name_suffix
from nftwave.lab.manifests import config, daemonsets, nodes, pods, services
from nftwave.lab.node.podstatus import ContainerState, pod_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.cluster.cluster import Cluster
    from nftwave.lab.machinery.objects import Object

# What kubeadm runs as static pods; etcd has versions of its own.
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
ETCD = "3.6.6-0"
ZONES = ("zone-a", "zone-b", "zone-c")


class Seed:
    """Fills one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def fill(self, url: str, host: str) -> None:
        """Nodes, ConfigMaps, Services, pods; the API is served at the URL, by that host."""
        create = self._cluster.store.create
        for place, node in enumerate(self._cluster.nodes.values()):
            zone = ZONES[place % len(ZONES)]
            made = nodes.node(
                node.name,
                node.address,
                node.kernel.pod_cidr,
                zone,
                version=self._cluster.version,
                kernel=node.kernel.release,
                since=self._cluster.since,
            )
            create("nodes", made, manager="kubelet")
        for made in (
            config.kube_proxy(url),
            config.kubeadm_config(self._cluster.name, url, self._cluster.version),
        ):
            made["metadata"]["creationTimestamp"] = self._cluster.since
            create("configmaps", made, manager="kubeadm")
        for name in self._cluster.control_planes:
            self.run_control_plane(name, self._cluster.version, components=(*COMPONENTS, "etcd"))
        self._fill_services(host, int(url.rpartition(":")[2]))
        self._fill_daemon_set()
        for node in self._cluster.nodes.values():
            node.kernel.connections = ipvs.some_connections(
                self._cluster.services.ports(), node.name, node.kernel.pod_cidr
            )

    def _fill_services(self, host: str, port: int) -> None:
        names = list(self._cluster.nodes)
        first, middle, last = names[0], names[len(names) // 2], names[-1]
        coredns = "registry.k8s.io/coredns/coredns:v1.14.2"
        agnhost = "registry.k8s.io/agnhost:2.53"
        dns = [
            self._plain_pod("coredns", "kube-system", "kube-dns", node, coredns)
            for node in (first, last)
        ]
        echo = [
            self._plain_pod("echo", "default", "echo", node, agnhost) for node in (middle, last)
        ]
        web = [self._plain_pod("web", "default", "web", last, agnhost)]
        for wanted, backends in (
            (services.kubernetes(port), [host]),
            (services.DNS, dns),
            (services.ECHOES, echo),
            (services.WEB, web),
            (services.SHOP, web),
            (services.MAIL, []),
            (services.DATABASE, echo),
            (services.PARTNER, None),
        ):
            self._service(wanted, backends)

    def _service(self, wanted: services.Wanted, backends: list[str] | None) -> None:
        """Make a Service and, unless there are no `backends` at all, its EndpointSlice."""
        made = services.service(wanted)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        self._cluster.store.create("services", made, manager="kubeadm")
        if backends is not None:
            endpoints = services.slice_of(wanted, backends)
            self._cluster.store.create(
                "endpointslices.discovery.k8s.io", endpoints, manager="kube-controller-manager"
            )

    def _plain_pod(self, prefix: str, namespace: str, app: str, node: str, image: str) -> str:
        """Make a running pod of an ordinary workload; returns its address."""
        simulated = self._cluster.nodes[node]
        network = ipaddress.ip_network(simulated.kernel.pod_cidr)
        pod_ip = str(network.network_address + 2 + len(simulated.kubelet.pods))
        name = f"{prefix}-{name_suffix()}"
        self.run(pods.plain_pod(name, namespace, app, node, image), pod_ip)
        return pod_ip

    def run_control_plane(self, node: str, version: str, *, components: Sequence[str]) -> None:
        """Make a control plane's static pods of that version, in the place of others."""
        store = self._cluster.store
        found = store.get("nodes", None, node)
        for component in components if found else ():
            if store.get("pods", "kube-system", f"{component}-{node}"):
                store.delete("pods", "kube-system", f"{component}-{node}")
            image = f"registry.k8s.io/{component}:{ETCD if component == 'etcd' else version}"
            made = pods.static_pod(component, image, found or {})
            self.run(made, self._cluster.nodes[node].address)

    def _fill_daemon_set(self) -> None:
        made = daemonsets.kube_proxy(self._cluster.version)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        daemon_set = self._cluster.store.create(DAEMON_SETS, made, manager="kubeadm")
        revision = daemonsets.revision_hash(daemon_set["spec"]["template"])
        first = daemonsets.controller_revision(daemon_set, revision, 1)
        self._cluster.store.create(REVISIONS, first, manager="kube-controller-manager")
        for node in self._cluster.nodes.values():
            self.run(pods.daemon_pod(daemon_set, node.name, revision), node.address)

    def run(self, pod: Object, pod_ip: str) -> None:
        """Make a pod that has been running for long."""
        node = self._cluster.nodes[pod["spec"]["nodeName"]]
        pod["metadata"]["creationTimestamp"] = self._cluster.since
        state = ContainerState({"running": {"startedAt": self._cluster.since}})
        state.container_id = pods.container_id()
        before = {
            **pod,
            "status": {
                "startTime": self._cluster.since,
                "conditions": [
                    {"type": kind, "status": "True", "lastTransitionTime": self._cluster.since}
                    for kind in ("PodReadyToStartContainers", "Ready", "ContainersReady")
                ],
            },
        }
        made = {**pod, "status": pod_status(before, state, node.address, pod_ip)}
        node.kubelet.adopt(self._cluster.store.create("pods", made, manager="kubelet"))
