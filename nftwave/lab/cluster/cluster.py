"""One cluster of the lab: its objects, its API server, its controllers, its nodes."""

from __future__ import annotations

import asyncio
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from nftwave.lab.api.backend import NoSuchProgram
from nftwave.lab.api.faults import is_api_fault
from nftwave.lab.api.server import ApiServer
from nftwave.lab.cluster.cordons import Cordons
from nftwave.lab.cluster.daemonset import DaemonSetController
from nftwave.lab.cluster.disruption import Disruption
from nftwave.lab.cluster.endpoints import Endpoints
from nftwave.lab.cluster.following import Controller, follow
from nftwave.lab.cluster.mischief import Mischief
from nftwave.lab.cluster.replicas import Replicas
from nftwave.lab.cluster.scheduler import Scheduler
from nftwave.lab.cluster.seed import Seed
from nftwave.lab.kernel.services import ServiceTable
from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.manifests import nodes
from nftwave.lab.node.container import NotInImage
from nftwave.lab.node.node import SimNode
from nftwave.lab.pki import kubeconfig
from nftwave.lab.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.pace import Pace
    from nftwave.lab.shell.streams import Sink, Source

AGE = timedelta(hours=3)
SMALL, FEW_NODES = 10, 256


class Cluster:
    """A cluster whose nodes have run kube-proxy in ipvs mode for hours."""

    def __init__(self, name: str, addresses: Sequence[str], *, version: str, pace: Pace) -> None:
        self.name = name
        self.version = version
        self.pace = pace
        self.store = Store()
        self.services = ServiceTable(self.store)
        self.api = ApiServer(self.store, self, name=name, version=version)
        self.since = timestamp(datetime.now(UTC) - AGE)
        self.nodes = {node.name: node for node in self._nodes(addresses)}
        self.faults: set[str] = set()  # those of no single node and not of the API server
        self._mischief = Mischief(self)
        self._tasks: list[asyncio.Task[None]] = []

    def _nodes(self, addresses: Sequence[str]) -> list[SimNode]:
        masters = 1 if len(addresses) < SMALL else 3
        ordinary = range(1, len(addresses) - masters + 1)
        names = [
            f"{self.name}{nodes.CONTROL_PLANE_NAME}{number}" for number in range(1, masters + 1)
        ]
        names += [f"{self.name}-node-{number}" for number in ordinary]
        prefix = 24 if len(addresses) <= FEW_NODES else 26
        subnets = ipaddress.ip_network("10.244.0.0/16").subnets(new_prefix=prefix)
        return [
            SimNode(
                name,
                address,
                str(subnet),
                services=self.services,
                store=self.store,
                pace=self.pace,
                version=self.version,
            )
            for name, address, subnet in zip(names, addresses, subnets, strict=False)
        ]

    @property
    def control_planes(self) -> list[str]:
        """The names of the control plane nodes."""
        return [name for name in self.nodes if nodes.CONTROL_PLANE_NAME in name]

    async def start(self, host: str, port: int = 0) -> str:
        """Fill the store, serve the API, start controllers. Returns the API's URL."""
        url = await self.api.start(host, port)
        Seed(self).fill(url, host)
        loop = asyncio.get_running_loop()
        controllers: tuple[Controller, ...] = (
            Replicas(self.store),
            Scheduler(self.store),
            Disruption(self.store),
            Endpoints(self.store),
            Cordons(self.store),
        )
        for controller in controllers:
            controller.look()  # who connects now finds all in order
        self._tasks = [
            loop.create_task(DaemonSetController(self.store, self.pace).run()),
            loop.create_task(self._dispatch()),
            *(loop.create_task(follow(self.store, self.pace, one)) for one in controllers),
        ]
        return url

    async def stop(self) -> None:
        """End everything."""
        self._mischief.stop()
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
            address = pod["status"].get("podIP")
            if kind == "DELETED" and address and not pod["spec"].get("hostNetwork"):
                for one in self.nodes.values():
                    one.kernel.pod_gone(address)

    def inject(self, node: str, name: str) -> None:
        """Begin with a fault of a node, or with node `-` of the cluster or its API server."""
        if is_api_fault(name):
            self.api.faults.inject(name)
            return
        one = self.nodes.get(node)
        (one.faults if one else self.faults).add(name)
        self._mischief.begin(one, name)

    def clear(self, node: str | None = None, name: str | None = None) -> None:
        """End faults: of all nodes, cluster and API server, of one of them, or one only."""
        if node in {None, "-"}:
            if name is None or is_api_fault(name):
                self.api.faults.clear(name)
            self._end(None, self.faults, name)
        for one in self.nodes.values():
            if node in {None, one.name}:
                self._end(one, one.faults, name)

    def _end(self, node: SimNode | None, faults: set[str], name: str | None) -> None:
        for fault in sorted(faults & {name} if name else faults):
            faults.discard(fault)
            self._mischief.end(node, fault)

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

    def check_exec(self, pod: Object, container: str) -> None:
        """Raise ApiStatus if the API server can have no command run there."""
        node = self.nodes.get(pod["spec"].get("nodeName", ""))
        if node is None:
            raise status.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        if "node-not-ready" in node.faults:
            raise status.kubelet_unreachable(node.address)
        worker = node.kubelet.pods.get(pod["metadata"]["uid"])
        if worker is None or not worker.container.running:
            why = f'unable to upgrade connection: container not found ("{container}")'
            raise status.internal_error(why)

    async def pod_exec(
        self, pod: Object, command: Sequence[str], stdin: Source, stdout: Sink, stderr: Sink
    ) -> int:
        """Run a command in a pod's container, for the API server. Raises NoSuchProgram."""
        node = self.nodes[pod["spec"]["nodeName"]]
        inside = node.kubelet.container(pod)
        try:
            return await inside.run(command, stdin, stdout, stderr)
        except NotInImage as error:
            raise NoSuchProgram(str(error)) from error

    def kubeconfig(self) -> str:
        """For the cluster's administrator, as kubeadm makes it."""
        pair = self.api.credentials.authority.client("kubernetes-admin", ["kubeadm:cluster-admins"])
        authority = self.api.credentials.authority.cert_pem
        return kubeconfig(self.name, self.api.url, authority, pair.cert_pem, pair.key_pem)

    def as_json(self) -> dict[str, Any]:
        """The truth about this cluster."""
        return {
            "api": {
                **self.api.audit.as_json(),
                "url": self.api.url,
                "faults": sorted(self.api.faults.active | self.faults),
            },
            "nodes": {
                name: {**node.as_json(), "unschedulable": self._is_cordoned(name)}
                for name, node in self.nodes.items()
            },
        }

    def _is_cordoned(self, node: str) -> bool:
        found = self.store.get("nodes", None, node)
        return bool(found and found["spec"].get("unschedulable"))
