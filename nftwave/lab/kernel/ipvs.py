"""ipvs as the kernel shows it in /proc (measured, Linux 6.1)."""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.lab.kernel.services import ServicePort

VERSION = "IP Virtual Server version 1.2.1 (size=4096)\n"
CONNECTION_HEAD = (
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
)


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One virtual server and its real servers."""

    protocol: str
    address: str
    port: int
    scheduler: str
    real_servers: tuple[tuple[str, int], ...]

    def as_json(self) -> dict[str, object]:
        """For the lab's state."""
        real = [f"{address}:{port}" for address, port in self.real_servers]
        return {
            "protocol": self.protocol,
            "address": f"{self.address}:{self.port}",
            "scheduler": self.scheduler,
            "realServers": real,
        }


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection that ipvs forwards."""

    protocol: str
    client: str
    client_port: int
    address: str
    port: int
    backend: str
    backend_port: int
    state: str = "ESTABLISHED"
    expires: int = 900


def virtual_servers(
    ports: Iterable[ServicePort], node_ips: Sequence[str], scheduler: str
) -> list[VirtualServer]:
    """What the ipvs proxier makes of the Services: their addresses, NodePorts on each address."""
    found: list[VirtualServer] = []
    for port in ports:
        found.extend(
            VirtualServer(port.protocol, address, port.port, scheduler, port.endpoints)
            for address in port.addresses
        )
        if port.node_port:
            found.extend(
                VirtualServer(port.protocol, address, port.node_port, scheduler, port.endpoints)
                for address in node_ips
            )
    return found


def some_connections(
    ports: Iterable[ServicePort],
    node_name: str,
    pod_cidr: str,
    clients: Sequence[str] = (),
    places: Iterable[int] = range(3),
) -> list[Connection]:
    """Some established connections from pods of the node through ClusterIPs.

    From `clients` in turn; where there are none, from pods that the lab does not have. Other
    `places` give other connections.
    """
    seed = zlib.crc32(node_name.encode())
    first = ipaddress.ip_network(pod_cidr).network_address
    tcp = [port for port in ports if port.protocol == "tcp" and port.endpoints]
    found = []
    for place in places if tcp else ():
        port = tcp[(seed + place) % len(tcp)]
        backend, backend_port = port.endpoints[(seed + place) % len(port.endpoints)]
        found.append(
            Connection(
                "TCP",
                clients[place % len(clients)] if clients else str(first + 10 + place % 20),
                32768 + (seed + 7919 * place) % 28000,
                port.cluster_ip,
                port.port,
                backend,
                backend_port,
                expires=899 - place * 61 % 840,
            )
        )
    return found


def without_pod(
    connections: Iterable[Connection], address: str, ports: Sequence[ServicePort]
) -> list[Connection]:
    """The connections that there are when a pod has gone: its own end.

    Those to it are opened anew, from another port and to another endpoint if there is one.
    """
    endpoints = {
        (port.cluster_ip, port.port): [one for one in port.endpoints if one[0] != address]
        for port in ports
    }
    found = []
    for one in connections:
        if one.client == address:
            continue
        others = endpoints.get((one.address, one.port), [])
        if one.backend != address:
            found.append(one)
        elif others:
            backend, backend_port = others[one.client_port % len(others)]
            renewed = 32768 + (one.client_port + 1 - 32768) % 28000
            anew = replace(one, client_port=renewed, expires=900)
            found.append(replace(anew, backend=backend, backend_port=backend_port))
    return found


def _hex_address(address: str) -> str:
    one = ipaddress.ip_address(address)
    return f"[{one.exploded}]" if one.version == 6 else f"{int(one):08X}"


def show_table(servers: Iterable[VirtualServer], connections: Sequence[Connection]) -> str:
    """/proc/net/ip_vs."""
    lines = [
        VERSION,
        "Prot LocalAddress:Port Scheduler Flags\n",
        "  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n",
    ]
    for server in servers:
        local = f"{_hex_address(server.address)}:{server.port:04X}"
        lines.append(f"{server.protocol.upper()}  {local} {server.scheduler}  \n")
        for address, port in server.real_servers:
            active = sum(
                (one.address, one.port, one.backend, one.backend_port)
                == (server.address, server.port, address, port)
                for one in connections
            )
            lines.append(
                f"  -> {_hex_address(address)}:{port:04X}      "
                f"Masq    1      {active:<10d} {0:<10d}\n"
            )
    return "".join(lines)


def show_connections(connections: Iterable[Connection]) -> str:
    """/proc/net/ip_vs_conn."""
    lines = [CONNECTION_HEAD]
    lines += [
        f"{one.protocol} {_hex_address(one.client)} {one.client_port:04X} "
        f"{_hex_address(one.address)} {one.port:04X} {_hex_address(one.backend)} "
        f"{one.backend_port:04X} {one.state:<11} {one.expires:7d}\n"
        for one in connections
    ]
    return "".join(lines)


def show_ipvsadm(servers: Iterable[VirtualServer], connections: Sequence[Connection]) -> str:
    """`ipvsadm -Ln` (1.31)."""
    lines = [
        VERSION,
        "Prot LocalAddress:Port Scheduler Flags\n",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
    ]
    for server in servers:
        lines.append(
            f"{server.protocol.upper()}  {server.address}:{server.port} {server.scheduler}\n"
        )
        for address, port in server.real_servers:
            active = sum(
                (one.address, one.port, one.backend) == (server.address, server.port, address)
                for one in connections
            )
            real = f"{address}:{port}"
            lines.append(f"  -> {real:<28}Masq    1      {active:<10d} {0:<10d}\n")
    return "".join(lines)
