"""One cluster of the lab: its objects, its API server, its controllers, its nodes."""

from __future__ import annotations

import asyncio
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nftwave.lab import ipvs
from nftwave.lab.apifaults import API_FAULTS
from nftwave.lab.apiserver import ApiServer
from nftwave.lab.daemonset import DAEMON_SETS, REVISIONS, DaemonSetController
from nftwave.lab.manifests import config, nodes, workloads
from nftwave.lab.node import SimNode
from nftwave.lab.objects import timestamp
from nftwave.lab.pki import kubeconfig
from nftwave.lab.podstatus import ContainerState, pod_status
from nftwave.lab.services import ServiceTable
from nftwave.lab.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.objects import Object
    from nftwave.lab.pace import Pace

AGE = timedelta(hours=3)
ZONES = ("zone-a", "zone-b", "zone-c")
SMALL, FEW_NODES = 10, 256


class Cluster:
    """A cluster whose nodes have run kube-proxy in ipvs mode for hours."""

    def __init__(
        self, name: str, addresses: Sequence[str], *, version: str, pace: Pace
    ) -> None:  # fmt: skip
        self.name = name
        self.version = version
        self.pace = pace
        self.store = Store()
        self.services = ServiceTable(self.store)
        self.api = ApiServer(self.store, self, name=name, version=version)
        self.since = timestamp(datetime.now(UTC) - AGE)
        self.nodes = {node.name: node for node in self._nodes(addresses)}
        self._tasks: list[asyncio.Task[None]] = []

    def _nodes(self, addresses: Sequence[str]) -> list[SimNode]:
        masters = 1 if len(addresses) < SMALL else 3
        ordinary = range(1, len(addresses) - masters + 1)
        names = [f"{self.name}-cp-{number}" for number in range(1, masters + 1)]
        names += [f"{self.name}-node-{number}" for number in ordinary]
        prefix = 24 if len(addresses) <= FEW_NODES else 26
        subnets = ipaddress.ip_network("10.244.0.0/16").subnets(new_prefix=prefix)
        return [
            SimNode(name, address, str(subnet), services=self.services, store=self.store,
                    pace=self.pace, version=self.version)
            for name, address, subnet in zip(names, addresses, subnets, strict=False)
        ]  # fmt: skip

    async def start(self, host: str, port: int = 0) -> str:
        """Fill the store, serve the API, start controllers. Returns the API's URL."""
        url = await self.api.start(host, port)
        self._fill(url, host)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(DaemonSetController(self.store, self.pace).run()),
            loop.create_task(self._dispatch()),
        ]
        return url

    async def stop(self) -> None:
        """End everything."""
        for task in self._tasks:
            task.cancel()
        for node in self.nodes.values():
            node.kubelet.stop()
        await self.api.stop()

    async def _dispatch(self) -> None:
        """Tell each kubelet of its pods."""
        async for _, (kind, pod) in self.store.subscribe("pods"):
            node = self.nodes.get(pod["spec"].get("nodeName", ""))
            if node:
                node.kubelet.changed(kind, pod)

    def _fill(self, url: str, host: str) -> None:
        create = self.store.create
        for place, node in enumerate(self.nodes.values()):
            made = nodes.node(
                node.name, node.address, node.kernel.pod_cidr, ZONES[place % len(ZONES)],
                control_plane="-cp-" in node.name, version=self.version,
                kernel=node.kernel.release, since=self.since,
            )  # fmt: skip
            create("nodes", made, manager="kubelet")
        for made in (config.kube_proxy(url), config.kubeadm_config(self.name, url, self.version)):
            made["metadata"]["creationTimestamp"] = self.since
            create("configmaps", made, manager="kubeadm")
        self._fill_services(host, int(url.rpartition(":")[2]))
        self._fill_daemon_set()
        for node in self.nodes.values():
            node.kernel.connections = ipvs.some_connections(
                self.services.ports(), node.name, node.kernel.pod_cidr
            )

    def _fill_services(self, host: str, port: int) -> None:
        names = list(self.nodes)
        first, last = names[0], names[-1]
        image = "registry.k8s.io/coredns/coredns:v1.14.2"
        dns = [self._plain_pod("coredns", "kube-system", "kube-dns", node, image)
               for node in (first, last)]  # fmt: skip
        echo = [self._plain_pod("echo", "default", "echo", node, "registry.k8s.io/agnhost:2.53")
                for node in (names[len(names) // 2], last)]  # fmt: skip
        dns_ports = [("dns", "UDP", 53, 53), ("dns-tcp", "TCP", 53, 53),
                     ("metrics", "TCP", 9153, 9153)]  # fmt: skip
        self._service("default", "kubernetes", workloads.API_SERVICE, [host],
                      [("https", "TCP", 443, port)])  # fmt: skip
        self._service("kube-system", "kube-dns", workloads.CLUSTER_DNS, dns, dns_ports)
        self._service("default", "echo", workloads.ECHO, echo, [("", "TCP", 80, 8080)],
                      node_port=workloads.ECHO_NODE_PORT)  # fmt: skip

    def _service(
        self, namespace: str, name: str, address: str, backends: list[str],
        ports: list[tuple[str, str, int, int]], *, node_port: int = 0,
    ) -> None:  # fmt: skip
        wanted: list[Object] = []
        targets: list[Object] = []
        for port_name, protocol, port, target in ports:
            named = {"name": port_name} if port_name else {}
            extra = {"nodePort": node_port} if node_port else {}
            wanted.append({**named, "protocol": protocol, "port": port, "targetPort": target,
                           **extra})  # fmt: skip
            targets.append({"name": port_name, "port": target, "protocol": protocol})
        kind = "NodePort" if node_port else "ClusterIP"
        made = workloads.service(namespace, name, address, wanted, kind=kind)
        made["metadata"]["creationTimestamp"] = self.since
        self.store.create("services", made, manager="kubeadm")
        slices = workloads.endpoint_slice(namespace, name, backends, targets)
        self.store.create("endpointslices.discovery.k8s.io", slices,
                          manager="kube-controller-manager")  # fmt: skip

    def _plain_pod(self, prefix: str, namespace: str, app: str, node: str, image: str) -> str:
        """Make a running pod of an ordinary workload; returns its address."""
        simulated = self.nodes[node]
        network = ipaddress.ip_network(simulated.kernel.pod_cidr)
        pod_ip = str(network.network_address + 2 + len(simulated.kubelet.pods))
        name = f"{prefix}-{workloads.name_suffix()}"
        self._running(workloads.plain_pod(name, namespace, app, node, image), pod_ip)
        return pod_ip

    def _fill_daemon_set(self) -> None:
        made = workloads.kube_proxy(self.version)
        made["metadata"]["creationTimestamp"] = self.since
        daemon_set = self.store.create(DAEMON_SETS, made, manager="kubeadm")
        revision = workloads.revision_hash(daemon_set["spec"]["template"])
        first = workloads.controller_revision(daemon_set, revision, 1)
        self.store.create(REVISIONS, first, manager="kube-controller-manager")
        for node in self.nodes.values():
            self._running(workloads.daemon_pod(daemon_set, node.name, revision), node.address)

    def _running(self, pod: Object, pod_ip: str) -> None:
        """Make a pod that has been running for long."""
        node = self.nodes[pod["spec"]["nodeName"]]
        pod["metadata"]["creationTimestamp"] = self.since
        state = ContainerState({"running": {"startedAt": self.since}})
        state.container_id = workloads.container_id()
        before = {**pod, "status": {"startTime": self.since, "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": self.since}
            for kind in ("PodReadyToStartContainers", "Ready", "ContainersReady")]}}  # fmt: skip
        made = {**pod, "status": pod_status(before, state, node.address, pod_ip)}
        node.kubelet.adopt(self.store.create("pods", made, manager="kubelet"))

    def inject(self, node: str, name: str) -> None:
        """Begin with a fault of a node, or with node `-` of the API server."""
        if name in API_FAULTS:
            self.api.faults.inject(name)
            return
        self.nodes[node].faults.add(name)
        self._apply(self.nodes[node], name)

    def clear(self, node: str | None = None, name: str | None = None) -> None:
        """End faults: of all nodes and the API server, of one of them, or one only."""
        if node in {None, "-"} and (name is None or name in API_FAULTS):
            self.api.faults.clear(name)
        for one in (
            self.nodes.values() if node is None else [self.nodes[node]] if node != "-" else []
        ):
            for fault in sorted(one.faults & {name} if name else one.faults):
                one.faults.discard(fault)
                self._apply(one, fault)

    def _apply(self, node: SimNode, name: str) -> None:
        """What of a fault shows in the node's object at once."""
        active = name in node.faults
        found = self.store.get("nodes", None, node.name)
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
            self._taint(found, active=active)
            self._pods_ready(node, ready=not active)
            found = self.store.get("nodes", None, node.name) or found
        else:
            return
        self.store.update("nodes", {**found, "status": status}, manager="kubelet",
                          subresource="status")  # fmt: skip

    def _taint(self, node: Object, *, active: bool) -> None:
        """The node controller's taints on a silent node."""
        key = "node.kubernetes.io/unreachable"
        taints = [taint for taint in node["spec"].get("taints", []) if taint["key"] != key]
        if active:
            taints += [{"key": key, "effect": effect, "timeAdded": timestamp()}
                       for effect in ("NoSchedule", "NoExecute")]  # fmt: skip
        spec = {key: value for key, value in node["spec"].items() if key != "taints"}
        changed = {**node, "spec": {**spec, **({"taints": taints} if taints else {})}}
        self.store.update("nodes", changed, manager="kube-controller-manager")

    def _pods_ready(self, node: SimNode, *, ready: bool) -> None:
        """The node controller marks the pods of a silent node as not ready."""
        for run in node.kubelet.pods.values():
            pod = self.store.get("pods", run.namespace, run.name)
            if pod is None or not run.container.running:
                continue
            conditions = [
                {**one, "status": str(ready), "lastTransitionTime": timestamp()}
                if one["type"] == "Ready" else one
                for one in pod["status"].get("conditions", [])
            ]  # fmt: skip
            changed = {**pod, "status": {**pod["status"], "conditions": conditions}}
            self.store.update("pods", changed, manager="kube-controller-manager",
                              subresource="status")  # fmt: skip

    async def pod_log(self, pod: Object, *, container: str | None, previous: bool) -> str | None:
        """The log of a pod's container, for the API server."""
        if container not in {None, *(one["name"] for one in pod["spec"]["containers"])}:
            return None
        node = self.nodes.get(pod["spec"].get("nodeName", ""))
        return node.kubelet.pod_log(pod["metadata"]["uid"], previous=previous) if node else None

    async def node_proxy(self, node: str, port: int, path: str) -> tuple[int, str, bytes] | None:
        """A GET to a port of a node, as the API server forwards it: not to its loopback."""
        found = self.nodes.get(node)
        answer = found.answer(port, path) if found and port == 10256 else None
        return (answer.status, answer.content_type, answer.body.encode()) if answer else None

    def kubeconfig(self) -> str:
        """For the cluster's administrator, as kubeadm makes it."""
        pair = self.api.credentials.authority.client("kubernetes-admin", ["kubeadm:cluster-admins"])
        authority = self.api.credentials.authority.cert_pem
        return kubeconfig(self.name, self.api.url, authority, pair.cert_pem, pair.key_pem)

    def as_json(self) -> dict[str, Any]:
        """The truth about this cluster."""
        return {
            "api": {**self.api.audit.as_json(), "url": self.api.url,
                    "faults": sorted(self.api.faults.active)},
            "nodes": {name: node.as_json() for name, node in self.nodes.items()},
        }  # fmt: skip
