"""Services and their EndpointSlices, in the recorded shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import name_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object

CLUSTER_DNS, API_SERVICE, ECHO = "10.96.0.10", "10.96.0.1", "10.96.0.100"
ECHO_NODE_PORT = 30080
HEADLESS = "None"
PortSpec = tuple[str, str, int, int]
"""Name, protocol, port, target port."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Service as somebody asks for it.

    Attributes:
        ingress: addresses that a load balancer gave it.
    """

    namespace: str
    name: str
    address: str
    ports: tuple[PortSpec, ...] = ()
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()
    external_name: str = ""


DNS_PORTS = (("dns", "UDP", 53, 53), ("dns-tcp", "TCP", 53, 53), ("metrics", "TCP", 9153, 9153))
HTTP: PortSpec = ("", "TCP", 80, 8080)
DNS = Wanted("kube-system", "kube-dns", CLUSTER_DNS, DNS_PORTS)
ECHOES = Wanted("default", "echo", ECHO, (HTTP,), node_port=ECHO_NODE_PORT)
# One of each kind that kube-proxy treats in its own way, so that counting is not trivial.
WEB = Wanted("default", "web", "10.96.0.110", (HTTP,), 31080, ingress=("192.0.2.80",))
SHOP = Wanted("default", "shop", "10.96.0.120", (HTTP,), external_ips=("192.0.2.90",))
MAIL = Wanted("default", "mail", "10.96.0.130", (("", "TCP", 25, 2525),))
DATABASE = Wanted("default", "db", HEADLESS, (("", "TCP", 5432, 5432),))
PARTNER = Wanted("default", "partner", "", external_name="partner.example.com")


def kubernetes(port: int) -> Wanted:
    """The Service of the API servers, which listen on that port."""
    return Wanted("default", "kubernetes", API_SERVICE, (("https", "TCP", 443, port),))


def service(wanted: Wanted) -> Object:
    """The Service; one of type ExternalName has no address, a headless one says so."""
    if wanted.external_name:
        spec: Object = {
            "externalName": wanted.external_name,
            "sessionAffinity": "None",
            "type": "ExternalName",
        }
    else:
        spec = _served(wanted)
    ingress = [{"ip": address, "ipMode": "VIP"} for address in wanted.ingress]
    return {
        "metadata": {"name": wanted.name, "namespace": wanted.namespace},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def _served(wanted: Wanted) -> Object:
    external = bool(wanted.node_port or wanted.external_ips)
    kind = "LoadBalancer" if wanted.ingress else "NodePort" if wanted.node_port else "ClusterIP"
    return {
        "ports": [
            {
                **({"name": port_name} if port_name else {}),
                "protocol": protocol,
                "port": port,
                "targetPort": target,
                **({"nodePort": wanted.node_port} if wanted.node_port else {}),
            }
            for port_name, protocol, port, target in wanted.ports
        ],
        "clusterIP": wanted.address,
        "clusterIPs": [wanted.address],
        "type": kind,
        "sessionAffinity": "None",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "internalTrafficPolicy": "Cluster",
        **({"selector": {"k8s-app": wanted.name}} if wanted.name != "kubernetes" else {}),
        **({"externalTrafficPolicy": "Cluster"} if external else {}),
        **({"externalIPs": list(wanted.external_ips)} if wanted.external_ips else {}),
        **({"allocateLoadBalancerNodePorts": True} if wanted.ingress else {}),
    }


def slice_of(wanted: Wanted, addresses: Sequence[str]) -> Object:
    """The Service's EndpointSlice with these endpoints."""
    targets: list[Object] = [
        {"name": port_name, "port": target, "protocol": protocol}
        for port_name, protocol, _, target in wanted.ports
    ]
    return endpoint_slice(wanted.namespace, wanted.name, addresses, targets if addresses else [])


def endpoint_slice(
    namespace: str, name: str, addresses: Sequence[str], ports: list[Object]
) -> Object:
    """The EndpointSlice of a Service; the one of `kubernetes` has its name, as recorded."""
    own = name if name == "kubernetes" else f"{name}-{name_suffix()}"
    return {
        "metadata": {
            "name": own,
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {"ready": True}} for address in addresses
        ],
        "ports": ports,
    }
