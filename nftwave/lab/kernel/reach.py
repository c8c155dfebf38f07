"""Where a connection from the node ends up, by what its kernel holds at that moment.

As measured with kube-proxy 1.36.2: nftables looks before ipvs does; where neither has the
ClusterIP, packets leave by the default route and nobody answers.
"""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.kernel.flows import Endpoint
    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.kernel.services import ServicePort

SERVICE_CIDR = ipaddress.ip_network("10.96.0.0/12")  # kubeadm's default
DROPPED, REFUSED = "dropped", "refused"


@dataclass(frozen=True, slots=True)
class Backend:
    """Who answers, and what brought the packets there."""

    endpoint: Endpoint
    through: str


def reach(kernel: Kernel, protocol: str, address: str, port: int) -> Backend | str:
    """The backend of a new connection, REFUSED (a reject came back), or DROPPED."""
    found = next(_verdicts(kernel, protocol, address, port), None)
    if found is not None:
        return found
    if (address, port) in kernel.services.endpoints():
        return Backend((address, port), "")
    return DROPPED


def _verdicts(kernel: Kernel, protocol: str, address: str, port: int) -> Iterator[Backend | str]:
    family = "ip6" if ":" in address else "ip"
    held = kernel.services_in_tables() if family in kernel.families_in_tables() else ()
    yield from _by_tables(kernel, held, protocol, address, port)
    for server in kernel.virtual_servers():
        if (server.protocol, server.address, server.port) == (protocol, address, port):
            yield _one_of(server.real_servers, "ipvs", address)
    if kernel.ipvs_active and any(address in one.addresses for one in kernel.ports()):
        yield REFUSED
    if held and ipaddress.ip_address(address) in SERVICE_CIDR:
        yield DROPPED


def _by_tables(
    kernel: Kernel, held: tuple[ServicePort, ...], protocol: str, address: str, port: int
) -> Iterator[Backend | str]:
    for one in held:
        if one.protocol != protocol:
            continue
        by_node_port = address == kernel.node_ip and one.node_port == port
        if by_node_port or (address in one.addresses and one.port == port):
            yield _one_of(one.endpoints, "nftables", address)
    if any(address == one.cluster_ip for one in held):
        yield REFUSED


def _one_of(endpoints: tuple[Endpoint, ...], through: str, address: str) -> Backend | str:
    if not endpoints:
        return REFUSED
    return Backend(endpoints[zlib.crc32(address.encode()) % len(endpoints)], through)
