"""What a cluster holds when it is found: made by kubeadm, in ipvs mode for hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.cluster.daemonset import DAEMON_SETS, REVISIONS
from nftwave.lab.kernel import ipvs
from nftwave.lab.kernel.services import ENDPOINTS
from nftwave.lab.manifests import config, daemonsets, nodes, pods, services, workloads
from nftwave.lab.node.podstatus import ContainerState, pod_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.lab.cluster.cluster import Cluster
    from nftwave.lab.machinery.objects import Object

# What kubeadm runs as static pods; etcd has versions of its own.
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
ETCD = "3.6.6-0"
COREDNS = "registry.k8s.io/coredns/coredns:v1.14.2"
AGNHOST = "registry.k8s.io/agnhost:2.53"
SHOP_IMAGE = "registry.example.com/shop/web:1.8.0"
REPLICAS = 3  # of the shop, however many nodes there are
READY = {"ready": True}
SERVICES = (
    services.DNS,
    services.ECHOES,
    services.WEB,
    services.SHOP,
    services.MAIL,
    services.DATABASE,
    services.PARTNER,
)
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
        self._daemons(daemonsets.kube_proxy(self._cluster.version), self._cluster.nodes)
        self._fill_shop()
        for node in self._cluster.nodes.values():
            ports = self._cluster.services.ports()
            node.kernel.connections = ipvs.some_connections(
                ports, node.name, node.kernel.pod_cidr, node.kubelet.pod_addresses()
            )

    def _fill_services(self, host: str, port: int) -> None:
        names = list(self._cluster.nodes)
        first, middle, last = names[0], names[len(names) // 2], names[-1]
        tolerant = (workloads.ON_CONTROL_PLANES,)
        for namespace, name, app, image, places in (
            ("kube-system", "coredns", "kube-dns", COREDNS, (first, last)),
            ("default", "echo", "echo", AGNHOST, (middle, last)),
            ("default", "web", "web", AGNHOST, (last,)),
        ):
            labels = {"k8s-app": app}
            made = workloads.deployment(
                namespace, name, labels, image, len(places), tolerations=tolerant
            )
            self._deploy(made, places)
        self._service(services.kubernetes(port), [{"addresses": [host], "conditions": READY}])
        for wanted in SERVICES:
            self._service(wanted, self._selected(wanted))

    def _selected(self, wanted: services.Wanted) -> list[Object]:
        """The endpoints of a Service."""
        app = wanted.selects or wanted.name
        return [
            services.endpoint(pod)
            for pod in self._cluster.store.list("pods", wanted.namespace)
            if pod["metadata"].get("labels", {}).get("k8s-app") == app
        ]

    def _service(self, wanted: services.Wanted, endpoints: list[Object]) -> None:
        """Make a Service and, unless it only stands for a name, its EndpointSlice."""
        made = services.service(wanted)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        self._cluster.store.create("services", made, manager="kubeadm")
        if not wanted.external_name:
            made = services.slice_of(made, endpoints)
            self._cluster.store.create(ENDPOINTS, made, manager="kube-controller-manager")

    def _fill_shop(self) -> None:
        """An application with a budget, and somebody else's agent; they need worker nodes."""
        workers = [name for name in self._cluster.nodes if nodes.CONTROL_PLANE_NAME not in name]
        if not workers:
            return
        for namespace in ("shop", "logging"):
            labels = {"kubernetes.io/metadata.name": namespace}
            made: Object = {
                "metadata": {"name": namespace, "labels": labels},
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            }
            self._cluster.store.create("namespaces", made, manager="kubectl")
        labels = {"app": "web"}
        places = [workers[place % len(workers)] for place in range(REPLICAS)]
        self._deploy(workloads.deployment("shop", "web", labels, SHOP_IMAGE, REPLICAS), places)
        budget = workloads.disruption_budget("shop", "web", labels, 1)
        self._cluster.store.create("poddisruptionbudgets.policy", budget, manager="kubectl")
        self._daemons(daemonsets.log_agent(workers[0]), workers[:1])

    def _deploy(self, deployment: Object, places: Sequence[str]) -> None:
        """A Deployment whose pods have been running on these nodes for long."""
        store = self._cluster.store
        deployment["metadata"]["creationTimestamp"] = self._cluster.since
        owner = store.create("deployments.apps", deployment, manager="kubectl")
        made = workloads.replica_set(owner)
        made["metadata"]["creationTimestamp"] = self._cluster.since
        replica_set = store.create("replicasets.apps", made, manager="kube-controller-manager")
        for place in places:
            pod = workloads.replica_pod(replica_set)
            pod["spec"]["nodeName"] = place
            self.run(pod, self._cluster.nodes[place].kubelet.pod_ip(pod))

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

    def _daemons(self, made: Object, places: Iterable[str]) -> None:
        """A DaemonSet whose pods have been running on these nodes for long."""
        made["metadata"]["creationTimestamp"] = self._cluster.since
        daemon_set = self._cluster.store.create(DAEMON_SETS, made, manager="kubeadm")
        revision = daemonsets.revision_hash(daemon_set["spec"]["template"])
        first = daemonsets.controller_revision(daemon_set, revision, 1)
        self._cluster.store.create(REVISIONS, first, manager="kube-controller-manager")
        for place in places:
            pod = pods.daemon_pod(daemon_set, place, revision)
            self.run(pod, self._cluster.nodes[place].address)

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
