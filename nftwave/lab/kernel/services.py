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

    def ports(self) -> tuple[ServicePort, ...]:
        """All ports, as the API has them now."""
        # Nobody reads the subscription: the first change overruns it, and that is all we ask.
        if self._changes.overrun:
            self._changes = self._store.subscribe(SERVICES, ENDPOINTS, limit=0)
            self._ports = tuple(_ports(self._store))
        return self._ports


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
                )
                for port in spec.get("ports", [])
            )
    return found


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
