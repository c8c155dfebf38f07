"""A node's kernel: what it is, which tables, virtual servers, interfaces and connections it has."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.kernel import ipvs
from nftwave.lab.kernel.iptablestables import base_tables
from nftwave.lab.kernel.proxyrules import ProxySettings
from nftwave.lab.kernel.proxytable import proxy_table

if TYPE_CHECKING:
    from nftwave.lab.kernel.nftables import Table
    from nftwave.lab.kernel.services import ServiceTable

RELEASE = "6.1.0-50-amd64"
OLD_RELEASE = "5.10.0-34-amd64"  # Debian 11
NFTABLES_NEEDS = (5, 13)  # Kubernetes source, pkg/util/kernel
CONNTRACK_MAX = 131072


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface as iproute2 shows it."""

    index: int
    name: str
    flags: tuple[str, ...]
    address: str
    state: str = "UP"
    qdisc: str = "noqueue"


@dataclass(slots=True)
class Kernel:
    """Kernel state of one node. kube-proxy changes it, commands on the node look at it."""

    node_name: str
    node_ip: str
    pod_cidr: str
    services: ServiceTable
    release: str = RELEASE
    ipvs_loaded: bool = False
    ipvs_active: bool = False
    scheduler: str = "rr"
    left_behind: bool = False
    proxy_families: list[str] = field(default_factory=list)
    proxy_settings: ProxySettings = field(default_factory=ProxySettings)
    connections: list[ipvs.Connection] = field(default_factory=list)

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

    def tables(self) -> list[Table]:
        """All nftables tables, in the order of `nft list tables`."""
        found = base_tables(ipvs=self.ipvs_active, left_behind=self.left_behind)
        ports = self.services.ports()
        found += [
            proxy_table(family, ports, [self.node_ip], self.proxy_settings)
            for family in self.proxy_families
        ]
        return found

    def table_names(self) -> list[str]:
        """Family and name of kube-proxy's tables and, before them, of the others."""
        return [table.key for table in self.tables()]

    def virtual_servers(self) -> list[ipvs.VirtualServer]:
        """The virtual servers of the ipvs proxier; it follows the Services while it is active."""
        if not self.ipvs_active:
            return []
        addresses = [self.node_ip, self.gateway]
        return ipvs.virtual_servers(self.services.ports(), addresses, self.scheduler)

    def interfaces(self) -> list[Interface]:
        """Interfaces, kube-ipvs0 among them where the ipvs proxier is active."""
        found = [
            Interface(1, "lo", ("LOOPBACK", "UP", "LOWER_UP"), "00:00:00:00:00:00", "UNKNOWN"),
            Interface(
                2,
                "eth0",
                ("BROADCAST", "MULTICAST", "UP", "LOWER_UP"),
                self._mac(2),
                qdisc="fq_codel",
            ),
            Interface(3, "cni0", ("BROADCAST", "MULTICAST", "UP", "LOWER_UP"), self._mac(3)),
        ]
        if self.ipvs_active:
            found.append(
                Interface(8, "kube-ipvs0", ("BROADCAST", "NOARP"), self._mac(8), "DOWN", "noop")
            )
        return found

    def addresses(self, interface: Interface) -> list[tuple[str, int]]:
        """Addresses of an interface with their prefix lengths."""
        if interface.name == "kube-ipvs0":
            return [
                (port, 32) for port in sorted({one.cluster_ip for one in self.services.ports()})
            ]
        return {
            "lo": [("127.0.0.1", 8)],
            "eth0": [(self.node_ip, 16)],
            "cni0": [(self.gateway, 24)],
        }[interface.name]

    def _mac(self, index: int) -> str:
        seed = zlib.crc32(f"{self.node_name}/{index}".encode())
        return "42:" + ":".join(f"{seed >> shift & 255:02x}" for shift in (0, 8, 16, 24)) + ":0e"

    def start_ipvs(self, scheduler: str) -> None:
        """The first sync of the ipvs proxier."""
        self.ipvs_loaded = self.ipvs_active = True
        self.scheduler = scheduler

    def wipe_ipvs(self) -> None:
        """Flush ipvs as kube-proxy does on its way to nftables: everything goes, at once.

        Virtual servers of others and established connections go too (measured, 1.36.2).
        """
        self.left_behind = self.left_behind or self.ipvs_active
        self.ipvs_active = False
        self.connections = []

    def conntrack_count(self) -> int:
        """Entries in the connection table."""
        return 40 + zlib.crc32(self.node_name.encode()) % 300 + len(self.connections)
