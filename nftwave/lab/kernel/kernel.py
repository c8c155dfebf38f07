"""A node's kernel: what it is, which tables, virtual servers and connections it has."""

from __future__ import annotations

import weakref
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.kernel import ipvs, lies
from nftwave.lab.kernel.iptablestables import base_tables
from nftwave.lab.kernel.proxyrules import ProxySettings
from nftwave.lab.kernel.proxytable import proxy_table

if TYPE_CHECKING:
    from collections.abc import Collection

    from nftwave.lab.kernel.flows import Flow
    from nftwave.lab.kernel.nftables import Table
    from nftwave.lab.kernel.services import ServicePort, ServiceTable

RELEASE = "6.1.0-50-amd64"
OLD_RELEASE = "5.10.0-34-amd64"  # Debian 11
NFTABLES_NEEDS = (5, 13)  # Kubernetes source, pkg/util/kernel
CONNTRACK_MAX = 131072


@dataclass(slots=True)
class Kernel:
    """Kernel state of one node. kube-proxy changes it, commands on the node look at it.

    Attributes:
        faults: names of the node's faults.
        frozen: the Services as they were when kube-proxy died; None while one keeps up with them.
        foreign: virtual servers that somebody else than kube-proxy made.
        connections: those of pods through ipvs; `flows` are those of programs on the node.
    """

    node_name: str
    node_ip: str
    pod_cidr: str
    services: ServiceTable
    faults: Collection[str] = ()
    release: str = RELEASE
    ipvs_loaded: bool = False
    ipvs_active: bool = False
    scheduler: str = "rr"
    left_behind: bool = False
    proxy_families: list[str] = field(default_factory=list)
    proxy_settings: ProxySettings = field(default_factory=ProxySettings)
    frozen: tuple[ServicePort, ...] | None = None
    foreign: list[ipvs.VirtualServer] = field(default_factory=list)
    connections: list[ipvs.Connection] = field(default_factory=list)
    flows: weakref.WeakSet[Flow] = field(default_factory=weakref.WeakSet)

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor."""
        major, minor = self.release.split(".")[:2]
        return int(major), int(minor)

    @property
    def supports_nftables_mode(self) -> bool:
        """Whether kube-proxy's nftables mode runs on it."""
        return self.version >= NFTABLES_NEEDS

    @property
    def gateway(self) -> str:
        """The node's address in its pod network."""
        return self.pod_cidr.rpartition(".")[0] + ".1"

    def ports(self) -> tuple[ServicePort, ...]:
        """The Services as the last kube-proxy that kept up with them left them."""
        return self.services.ports() if self.frozen is None else self.frozen

    def freeze(self) -> None:
        """kube-proxy died: what is there stays as it is."""
        self.frozen = self.ports()

    def follow(self) -> None:
        """A kube-proxy keeps up with the Services."""
        self.frozen = None

    def families_in_tables(self) -> list[str]:
        """The families that have a table of kube-proxy."""
        return lies.families_held(self.faults, self.proxy_families)

    def services_in_tables(self) -> tuple[ServicePort, ...]:
        """The Services that kube-proxy's tables hold."""
        return lies.ports_held(self.faults, self.ports())

    def tables(self) -> list[Table]:
        """All nftables tables, in the order of `nft list tables`."""
        found = base_tables(ipvs=self.ipvs_active, left_behind=self.left_behind)
        ports = self.services_in_tables()
        found += [
            proxy_table(family, ports, [self.node_ip], self.proxy_settings)
            for family in self.families_in_tables()
        ]
        return found

    def table_names(self) -> list[str]:
        """Family and name of kube-proxy's tables and, before them, of the others."""
        return [table.key for table in self.tables()]

    def virtual_servers(self) -> list[ipvs.VirtualServer]:
        """The virtual servers of the ipvs proxier while it is active, and those of others."""
        if not self.ipvs_active:
            return self.foreign
        addresses = [self.node_ip, self.gateway]
        return ipvs.virtual_servers(self.ports(), addresses, self.scheduler) + self.foreign

    def ipvs_connections(self) -> list[ipvs.Connection]:
        """The connections that ipvs carries."""
        mine = [flow.in_ipvs() for flow in self.flows if flow.through == "ipvs" and not flow.cut]
        return self.connections + mine

    def start_ipvs(self, scheduler: str) -> None:
        """The first sync of the ipvs proxier."""
        self.ipvs_loaded = self.ipvs_active = True
        self.scheduler = scheduler
        self.follow()

    def add_foreign(self, server: ipvs.VirtualServer) -> None:
        """Somebody else than kube-proxy makes a virtual server."""
        self.ipvs_loaded = True
        self.foreign = [server]

    def wipe_ipvs(self) -> None:
        """Flush ipvs as kube-proxy does on its way to nftables: everything goes, at once.

        Virtual servers of others and established connections go too (measured, 1.36.2).
        """
        if "ipvs-left" in self.faults:
            return
        self.left_behind = self.left_behind or self.ipvs_active
        self.ipvs_active = False
        self.foreign, self.connections = [], []
        for flow in self.flows:
            flow.cut = flow.cut or flow.through == "ipvs"

    def pod_gone(self, address: str) -> None:
        """A pod somewhere in the cluster has ended."""
        if any(address in {one.client, one.backend} for one in self.connections):
            self.connections = ipvs.without_pod(self.connections, address, self.services.ports())

    def conntrack_count(self) -> int:
        """Entries in the connection table."""
        if "conntrack-full" in self.faults:
            return int(lies.NEARLY_FULL * CONNTRACK_MAX)
        others = 40 + zlib.crc32(self.node_name.encode()) % 300
        return others + len(self.connections) + len(self.flows)
