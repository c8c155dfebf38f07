"""ipvs' virtual servers in the shape in which what a node holds is compared.

A virtual server stands for an entry of service-ips. One without real servers stands for an entry of
no-endpoint-services too: the same Services may be in both, also under a policy Local, where ipvs
falls back to other nodes' endpoints or not, by version (Kubernetes 1.36 source,
pkg/proxy/ipvs/proxier.go, syncEndpoint), so that neither is a fault. What ipvs holds beside that,
NodePorts and Services without endpoints, comes out as stale and means nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.node.facts import ServicePort

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nftwave.node.facts import Family, VirtualServer

    Ports = Mapping[Family, frozenset[ServicePort]]


def by_family(servers: Iterable[VirtualServer]) -> tuple[Ports, Ports]:
    """All virtual servers, and those without a real server; those by firewall mark left out."""
    held: dict[Family, set[ServicePort]] = {"ip": set(), "ip6": set()}
    bare: dict[Family, set[ServicePort]] = {"ip": set(), "ip6": set()}
    for one in servers:
        if one.protocol == "fwm":
            continue
        family: Family = "ip6" if ":" in one.address else "ip"
        port = ServicePort(one.address, one.protocol, one.port)
        held[family].add(port)
        if not one.backends:
            bare[family].add(port)
    return _frozen(held), _frozen(bare)


def _frozen(ports: Mapping[Family, set[ServicePort]]) -> Ports:
    return {family: frozenset(found) for family, found in ports.items()}
