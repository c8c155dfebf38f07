"""EndpointSlices: where a Service's endpoints are, as kube-proxy counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.kube.resources import Object
    from nftwave.node.facts import Family

SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice that names its Service."""
_FAMILIES: dict[str, Family] = {"IPv4": "ip", "IPv6": "ip6"}


@dataclass(frozen=True, slots=True)
class SliceView:
    """An EndpointSlice.

    Attributes:
        service: namespace and name of its Service.
        family: None for a slice of names (addressType FQDN), which kube-proxy leaves alone.
        ports: name and protocol of each port.
        ready: nodes with a ready endpoint; an endpoint that names no node counts as node "".
        draining: nodes with one that still serves while it terminates: used where none is ready
            (Kubernetes 1.36 source, pkg/proxy/topology.go).
    """

    service: tuple[str, str]
    family: Family | None
    ports: frozenset[tuple[str, str]]
    ready: frozenset[str]
    draining: frozenset[str]

    @classmethod
    def of(cls, item: Object) -> SliceView:
        """From the JSON of an EndpointSlice."""
        meta, ready, draining = item["metadata"], set(), set()
        for endpoint in item.get("endpoints") or ():
            told = endpoint.get("conditions") or {}
            node = endpoint.get("nodeName") or ""
            # What is not told counts as ready and serving.
            if told.get("ready", True) is not False:
                ready.add(node)
            elif told.get("serving", True) is not False and told.get("terminating"):
                draining.add(node)
        return cls(
            service=(meta["namespace"], (meta.get("labels") or {}).get(SERVICE_NAME, "")),
            family=_FAMILIES.get(item.get("addressType", "")),
            ports=frozenset(
                (port.get("name") or "", port.get("protocol", "TCP").lower())
                for port in item.get("ports") or ()
                if port.get("port")
            ),
            ready=frozenset(ready),
            draining=frozenset(draining),
        )
