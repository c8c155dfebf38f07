"""ipvs' virtual servers in the shape in which what a node holds is compared.

A virtual server stands for an entry of service-ips. One without real servers stands for an entry of
no-endpoint-services too: the same Services may be in both, also under a policy Local, where ipvs
falls back to other nodes' endpoints or not, by version (Kubernetes 1.36 source,
pkg/proxy/ipvs/proxier.go, syncEndpoint), so that neither is a fault. What ipvs holds beside that,
NodePorts and Services without endpoints, comes out as stale and means nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nftwave.node.facts import Family, VirtualServer

    Ports = Mapping[Family, frozenset["Plain"]]

Plain = tuple[str, str, int]
"""Address, protocol and port. It equals a ServicePort and is made in a tenth of the time: ten
thousand Services on a thousand nodes make ten million."""


def by_family(servers: Iterable[VirtualServer]) -> Ports:
    """What has a virtual server; those by firewall mark have no address and are left out."""
    # One comprehension a family, without a function call in it: see above.
    named = [one for one in servers if one.protocol != "fwm"]
    return {
        "ip": frozenset([(s.address, s.protocol, s.port) for s in named if ":" not in s.address]),
        "ip6": frozenset([(s.address, s.protocol, s.port) for s in named if ":" in s.address]),
    }


def without_real_servers(servers: Iterable[VirtualServer]) -> Ports:
    """What has a virtual server that leads nowhere."""
    return by_family([one for one in servers if not one.backends])
