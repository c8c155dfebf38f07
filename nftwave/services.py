"""Services as the API tells them: what a node's kube-proxy has to serve, and under which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.node.facts import ServicePort

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nftwave.kube.resources import Object


OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
"""Label of Services that kube-proxy leaves to another proxy (Kubernetes 1.36 source)."""


@dataclass(frozen=True, slots=True)
class OpenPort:
    """One port of a Service; `node_port` is 0 where it has none."""

    protocol: str
    port: int
    node_port: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A Service as kube-proxy sees it.

    Attributes:
        cluster_ips: empty for headless and ExternalName Services.
        external_ips: spec.externalIPs, and the addresses of its load balancer.
        internal_local: whether its ClusterIPs lead to endpoints on the same node only
            (internalTrafficPolicy Local); external_local: the same of its other addresses.
        other_proxy: whether it is labelled as another proxy's; kube-proxy leaves it alone.
    """

    namespace: str
    name: str
    cluster_ips: tuple[str, ...]
    external_ips: tuple[str, ...]
    ports: tuple[OpenPort, ...]
    internal_local: bool = False
    external_local: bool = False
    other_proxy: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def of(cls, service: Object) -> ServiceView:
        """From the JSON of a Service."""
        meta, spec = service["metadata"], service["spec"]
        single = [spec["clusterIP"]] if spec.get("clusterIP") else []
        addresses = spec.get("clusterIPs") or single
        balancer = (service.get("status") or {}).get("loadBalancer") or {}
        # Where ipMode is Proxy, kube-proxy leaves the address to the load balancer itself.
        ingress = [
            one["ip"]
            for one in balancer.get("ingress") or ()
            if one.get("ip") and one.get("ipMode") != "Proxy"
        ]
        named = spec.get("type") == "ExternalName"
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            cluster_ips=() if named else tuple(a for a in addresses if a != "None"),
            external_ips=(*(spec.get("externalIPs") or ()), *ingress),
            ports=tuple(
                OpenPort(
                    p.get("protocol", "TCP").lower(),
                    p["port"],
                    p.get("nodePort", 0),
                    p.get("name", ""),
                )
                for p in spec.get("ports") or ()
            ),
            internal_local=spec.get("internalTrafficPolicy") == "Local",
            external_local=spec.get("externalTrafficPolicy") == "Local",
            other_proxy=OTHER_PROXY in (meta.get("labels") or {}),
        )

    def served(self) -> Iterator[ServicePort]:
        """Every address, protocol and port of it but its NodePorts."""
        for address in (*self.cluster_ips, *self.external_ips):
            for port in self.ports:
                yield ServicePort(address, port.protocol, port.port)


def owners(services: Iterable[ServiceView]) -> dict[ServicePort, ServiceView]:
    """The Service behind each address, protocol and port; NodePorts are not in it."""
    return {port: service for service in services for port in service.served()}


def node_ports(services: Iterable[ServiceView]) -> dict[tuple[str, int], ServiceView]:
    """The Service behind each protocol and NodePort."""
    return {
        (port.protocol, port.node_port): service
        for service in services
        for port in service.ports
        if port.node_port
    }


REACH: Mapping[tuple[str, str], int] = {
    ("default", "kubernetes"): 0,
    ("kube-system", "kube-dns"): 53,
}
"""Services of every kubeadm cluster that must answer from every node, and the TCP port that is
tried; 0: each of them. kubeadm calls the DNS Service kube-dns whatever serves it (Kubernetes 1.36
source, cmd/kubeadm/app/phases/addons)."""


def to_reach(services: Iterable[ServiceView]) -> dict[ServicePort, str]:
    """ClusterIPs and TCP ports of those Services, and what they are called."""
    return {
        ServicePort(address, port.protocol, port.port): f"{service} ({address}:{port.port})"
        for service in services
        if (tried := REACH.get((service.namespace, service.name))) is not None
        for address in service.cluster_ips
        for port in service.ports
        if port.protocol == "tcp" and tried in (0, port.port)
    }
