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
    from nftwave.lab.cluster.cluster import Cluster
    from nftwave.lab.machinery.objects import Object

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
        self._fill_services(host, int(url.rpartition(":")[2]))
        self._fill_daemon_set()
        for node in self._cluster.nodes.values():
            node.kernel.connections = ipvs.some_connections(
                self._cluster.services.ports(), node.name, node.kernel.pod_cidr
            )

    def _fill_services(self, host: str, port: int) -> None:
        names = list(self._cluster.nodes)
        first, last = names[0], names[-1]
        image = "registry.k8s.io/coredns/coredns:v1.14.2"
        dns = [
            self._plain_pod("coredns", "kube-system", "kube-dns", node, image)
            for node in (first, last)
        ]
        echo = [
            self._plain_pod("echo", "default", "echo", node, "registry.k8s.io/agnhost:2.53")
            for node in (names[len(names) // 2], last)
        ]
        dns_ports = [
            ("dns", "UDP", 53, 53),
            ("dns-tcp", "TCP", 53, 53),
            ("metrics", "TCP", 9153, 9153),
        ]
        self._service(
            "default", "kubernetes", services.API_SERVICE, [host], [("https", "TCP", 443, port)]
        )
        self._service("kube-system", "kube-dns", services.CLUSTER_DNS, dns, dns_ports)
        self._service(
            "default",
            "echo",
            services.ECHO,
            echo,
            [("", "TCP", 80, 8080)],
            node_port=services.ECHO_NODE_PORT,
        )

    def _service(
        self,
        namespace: str,
        name: str,
        address: str,
        backends: list[str],
        ports: list[tuple[str, str, int, int]],
        *,
        node_port: int = 0,
    ) -> None:
        wanted: list[Object] = []
        targets: list[Object] = []
        for port_name, protocol, port, target in ports:
            named = {"name": port_name} if port_name else {}
            extra = {"nodePort": node_port} if node_port else {}
            wanted.append(
                {**named, "protocol": protocol, "port": port, "targetPort": target, **extra}
            )
            targets.append({"name": port_name, "port": target, "protocol": protocol})
        kind = "NodePort" if node_port else "ClusterIP"
        made = services.service(namespace, name, address, wanted, kind=kind)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        self._cluster.store.create("services", made, manager="kubeadm")
        slices = services.endpoint_slice(namespace, name, backends, targets)
        self._cluster.store.create(
            "endpointslices.discovery.k8s.io", slices, manager="kube-controller-manager"
        )

    def _plain_pod(self, prefix: str, namespace: str, app: str, node: str, image: str) -> str:
        """Make a running pod of an ordinary workload; returns its address."""
        simulated = self._cluster.nodes[node]
        network = ipaddress.ip_network(simulated.kernel.pod_cidr)
        pod_ip = str(network.network_address + 2 + len(simulated.kubelet.pods))
        name = f"{prefix}-{name_suffix()}"
        self._running(pods.plain_pod(name, namespace, app, node, image), pod_ip)
        return pod_ip

    def _fill_daemon_set(self) -> None:
        made = daemonsets.kube_proxy(self._cluster.version)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        daemon_set = self._cluster.store.create(DAEMON_SETS, made, manager="kubeadm")
        revision = daemonsets.revision_hash(daemon_set["spec"]["template"])
        first = daemonsets.controller_revision(daemon_set, revision, 1)
        self._cluster.store.create(REVISIONS, first, manager="kube-controller-manager")
        for node in self._cluster.nodes.values():
            self._running(pods.daemon_pod(daemon_set, node.name, revision), node.address)

    def _running(self, pod: Object, pod_ip: str) -> None:
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
