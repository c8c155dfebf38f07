"""All clusters of a lab, their SSH servers, and the files that say how to reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncssh

from nftwave.lab import faults, folder
from nftwave.lab.cluster.cluster import Cluster
from nftwave.lab.node.sshd import NodeSshd
from nftwave.lab.pace import Pace

if TYPE_CHECKING:
    from pathlib import Path

    from nftwave.lab.addresses import Plan


@dataclass(frozen=True, slots=True)
class Shape:
    """What was asked for."""

    clusters: int = 1
    nodes: int = 5
    speed: float = 10.0
    kubernetes: str = "v1.36.2"


class World:
    """The running lab."""

    def __init__(self, shape: Shape, plan: Plan, directory: Path) -> None:
        self._shape = shape
        self._plan = plan
        self._directory = directory
        self._identity = asyncssh.generate_private_key("ssh-ed25519", comment="nftwave lab")
        self.clusters = {cluster.name: cluster for cluster in self._clusters()}
        self._servers: dict[str, NodeSshd] = {}
        self._forwardable: set[tuple[str, int]] = set()

    def _clusters(self) -> list[Cluster]:
        found = []
        count = self._shape.nodes
        for place in range(self._shape.clusters):
            addresses = [self._plan.node(place * count + number) for number in range(count)]
            found.append(
                Cluster(
                    f"lab-{place + 1}",
                    addresses,
                    version=self._shape.kubernetes,
                    pace=Pace(self._shape.speed),
                )
            )
        return found

    async def start(self) -> None:
        """Serve everything and write the folder's files. Raises OSError if an address is taken."""
        public = self._identity.convert_to_public()
        for place, cluster in enumerate(self.clusters.values()):
            await cluster.start(self._plan.api(place), self._plan.api_port)
            for node in cluster.nodes.values():
                server = NodeSshd(
                    node,
                    identity=public,
                    may_forward=self._may_forward,
                    host_key=asyncssh.generate_private_key("ssh-ed25519"),
                )
                server.listen(self._plan.ssh_port)
                self._servers[node.name] = server
                self._forwardable.add((node.address, server.port))
        folder.write(self._directory, self.clusters, self._servers, self._identity, self._plan)

    def _may_forward(self, host: str, port: int) -> bool:
        return (host, port) in self._forwardable

    async def stop(self) -> None:
        """End everything."""
        for server in self._servers.values():
            server.close()
        for cluster in self.clusters.values():
            await cluster.stop()

    def fault(self, cluster: str, node: str, name: str) -> None:
        """Begin with a fault. Raises UnknownFaultError."""
        faults.check(node, name)
        self._find(cluster, node).inject(node, name)
        self._follow()

    def clear(self, cluster: str | None, node: str | None, name: str | None) -> None:
        """End faults: all, of a cluster, of a node, or one. Raises UnknownFaultError."""
        if node is not None and name is not None:
            faults.check(node, name)
        chosen = self.clusters.values() if cluster is None else [self._find(cluster, node or "-")]
        for one in chosen:
            one.clear(node, name)
        self._follow()

    def _find(self, cluster: str, node: str) -> Cluster:
        found = self.clusters.get(cluster)
        if found is None:
            known = ", ".join(self.clusters)
            raise faults.UnknownFaultError(f"no cluster {cluster!r}: there are {known}")
        if node != "-" and node not in found.nodes:
            some = ", ".join(list(found.nodes)[:10])
            raise faults.UnknownFaultError(f"no node {node!r} in {cluster}: there are {some}")
        return found

    def _follow(self) -> None:
        for server in self._servers.values():
            server.faults_changed()

    def as_json(self) -> dict[str, Any]:
        """The truth about everything."""
        return {"clusters": {name: one.as_json() for name, one in self.clusters.items()}}
