"""One Service and its endpoints -> what kube-proxy's maps must hold for it, on each node.

Kubernetes 1.36 source, pkg/proxy/nftables/proxier.go and pkg/proxy/topology.go:

    | address                 | in service-ips where           | in no-endpoint-services where     |
    |-------------------------|--------------------------------|-----------------------------------|
    | ClusterIP               | there are endpoints            | there are none                    |
    | the same, policy Local  | one is on the node             | none is on the node               |
    | external IP, balancer's | there are endpoints            | there are none                    |
    | the same, policy Local  | there are endpoints anywhere   | none is on the node (so in both)  |

Topology (zones, hints) chooses among endpoints and never leaves none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.node.facts import ServicePort

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nftwave.services import ServiceView
    from nftwave.serving.endpoints import SliceView


@dataclass(frozen=True, slots=True)
class Entry:
    """One address and port of a Service.

    Attributes:
        external: not a ClusterIP.
        local: only endpoints on the same node count.
        nodes: nodes with a usable endpoint.
    """

    port: ServicePort
    service: str
    external: bool
    local: bool
    nodes: frozenset[str]

    def served(self, node: str) -> bool:
        """Whether service-ips on that node must hold it."""
        return node in self.nodes if self.local and not self.external else bool(self.nodes)

    def rejected(self, node: str) -> bool:
        """Whether no-endpoint-services on that node must hold it."""
        return node not in self.nodes if self.local else not self.nodes


def entries(service: ServiceView, slices: Collection[SliceView]) -> Iterator[Entry]:
    """What kube-proxy makes of a Service; nothing of headless and ExternalName ones."""
    if service.other_proxy or not service.cluster_ips:
        return
    addresses = [(a, False) for a in service.cluster_ips]
    addresses += [(a, True) for a in service.external_ips]
    for address, external in addresses:
        family = "ip6" if ":" in address else "ip"
        for port in service.ports:
            mine = [
                one
                for one in slices
                if one.family == family and (port.name, port.protocol) in one.ports
            ]
            local = service.external_local if external else service.internal_local
            yield Entry(
                ServicePort(address, port.protocol, port.port),
                str(service),
                external,
                local,
                _usable(mine, local=local),
            )


def _usable(slices: Collection[SliceView], *, local: bool) -> frozenset[str]:
    """Nodes with an endpoint that traffic may go to; draining ones where no ready one is.

    With a policy Local each node looks at its own endpoints alone.
    """
    ready = frozenset[str]().union(*(one.ready for one in slices))
    draining = frozenset[str]().union(*(one.draining for one in slices))
    return ready | draining if local else ready or draining
