"""Virtual servers in ipvs that no Service accounts for: of keepalived, kube-vip and the like.

kube-proxy's change to nftables mode flushes ipvs as a whole, also what is not its own; excludeCIDRs
does not protect it (measured, kube-proxy 1.36.2: one at 192.0.2.10:80 was gone after the change).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave import services as known
from nftwave.node.facts import NodeFacts, Unknown

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.node.facts import VirtualServer
    from nftwave.services import ServiceView


class Strangers:
    """Tells foreign virtual servers from kube-proxy's own, for one list of Services."""

    def __init__(self, services: Iterable[ServiceView]) -> None:
        # What a Service of another proxy has in ipvs is not kube-proxy's, and would be wiped too.
        listed = tuple(one for one in services if not one.other_proxy)
        self._served: Container[tuple[str, str, int]] = set(known.owners(listed))
        self._node_ports = known.node_ports(listed)

    def among(self, servers: Iterable[VirtualServer]) -> tuple[VirtualServer, ...]:
        """The foreign ones: not an address of a Service, and not a NodePort.

        A NodePort counts at any address, because kube-proxy binds it to each address of the node,
        also to those that the Node object does not tell (measured: the bridge of the pod network).
        kube-proxy makes no servers by firewall mark, so those are foreign.
        """
        return tuple(one for one in servers if not self._ours(one))

    def _ours(self, one: VirtualServer) -> bool:
        # A plain tuple equals a ServicePort and is made in a third of the time: a thousand nodes
        # with ten thousand Services ask this ten million times.
        served = (one.address, one.protocol, one.port) in self._served
        return served or (one.protocol, one.port) in self._node_ports


def strangers_on(facts: ClusterFacts) -> dict[str, tuple[VirtualServer, ...]]:
    """Foreign virtual servers by node, of nodes that have any and do not run nftables mode yet."""
    strangers = Strangers(facts.around.services)
    found = {
        name: strangers.among(probe.virtual_servers)
        for name, probe in facts.probes.items()
        if isinstance(probe, NodeFacts)
        and not isinstance(probe.virtual_servers, Unknown)
        and probe.proxy_mode != "nftables"
    }
    return {name: servers for name, servers in found.items() if servers}


def written(one: VirtualServer) -> str:
    """A virtual server as people write it: `tcp 192.0.2.10:80 rr`."""
    if one.protocol == "fwm":
        return f"firewall mark {one.port} {one.scheduler}"
    address = f"[{one.address}]" if ":" in one.address else one.address
    return f"{one.protocol} {address}:{one.port} {one.scheduler}"
