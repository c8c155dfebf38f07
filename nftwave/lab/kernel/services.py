"""What kube-proxy knows of Services: ports with their endpoints, from the API's objects."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.store import Store

SERVICES, ENDPOINTS = "services", "endpointslices.discovery.k8s.io"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service with a ClusterIP."""

    namespace: str
    name: str
    port_name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int
    endpoints: tuple[tuple[str, int], ...]
    external_ips: tuple[str, ...] = ()
    """External IPs and those of load balancers."""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is served on every node."""
        return (self.cluster_ip, *self.external_ips)

    @property
    def family(self) -> str:
        """The nftables family of its address."""
        return "ip6" if ipaddress.ip_address(self.cluster_ip).version == 6 else "ip"

    @property
    def chain(self) -> str:
        """Its chain's name without the prefix (Kubernetes source, pkg/proxy/nftables)."""
        name = f"{self.namespace}/{self.name}/{self.protocol}/{self.port_name}"
        digest = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
        return f"{digest[:8]}-{name}"


class ServiceTable:
    """The Services of one cluster, worked out once for all its nodes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changes = store.subscribe(SERVICES, ENDPOINTS, limit=0)
        self._ports = tuple(_ports(store))
        self._endpoints: dict[tuple[str, int], ServicePort] | None = None

    def ports(self) -> tuple[ServicePort, ...]:
        """All ports, as the API has them now."""
        # Nobody reads the subscription: the first change overruns it, and that is all we ask.
        if self._changes.overrun:
            self._changes = self._store.subscribe(SERVICES, ENDPOINTS, limit=0)
            self._ports = tuple(_ports(self._store))
            self._endpoints = None
        return self._ports

    def endpoints(self) -> dict[tuple[str, int], ServicePort]:
        """The Service ports behind which an address and port stand."""
        ports = self.ports()
        if self._endpoints is None:
            self._endpoints = {endpoint: port for port in ports for endpoint in port.endpoints}
        return self._endpoints


def _ports(store: Store) -> list[ServicePort]:
    slices: dict[tuple[str, str], list[Object]] = {}
    for one in store.list(ENDPOINTS):
        metadata = one["metadata"]
        owner = metadata.get("labels", {}).get("kubernetes.io/service-name", "")
        slices.setdefault((metadata["namespace"], owner), []).append(one)
    found: list[ServicePort] = []
    for service in store.list(SERVICES):
        metadata, spec = service["metadata"], service["spec"]
        key = (metadata["namespace"], metadata["name"])
        for address in spec.get("clusterIPs", [spec.get("clusterIP", "None")]):
            if address == "None":
                continue
            found.extend(
                ServicePort(
                    *key,
                    port.get("name", ""),
                    port.get("protocol", "TCP").lower(),
                    address,
                    port["port"],
                    port.get("nodePort", 0),
                    _endpoints(slices.get(key, []), port),
                    _external_ips(service, address),
                )
                for port in spec.get("ports", [])
            )
    return found


def _external_ips(service: Object, cluster_ip: str) -> tuple[str, ...]:
    """The external and load-balancer addresses of the ClusterIP's family."""
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    found = [
        *service["spec"].get("externalIPs", []),
        *(one["ip"] for one in ingress if "ip" in one),
    ]
    return tuple(address for address in found if (":" in address) == (":" in cluster_ip))


def _endpoints(slices: list[Object], port: Object) -> tuple[tuple[str, int], ...]:
    return tuple(
        (address, target["port"])
        for one in slices
        for target in one.get("ports") or []
        if target.get("name", "") == port.get("name", "")
        and target.get("protocol", "TCP") == port.get("protocol", "TCP")
        for endpoint in one.get("endpoints") or []
        if endpoint.get("conditions", {}).get("ready", True)
        for address in endpoint["addresses"]
    )
