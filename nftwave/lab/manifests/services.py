"""Services and their EndpointSlices, in the recorded shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import name_suffix
from nftwave.lab.manifests.pods import is_available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object

CLUSTER_DNS, API_SERVICE, ECHO = "10.96.0.10", "10.96.0.1", "10.96.0.100"
ECHO_NODE_PORT = 30080
HEADLESS = "None"
SERVICE = "kubernetes.io/service-name"
# Slices that the EndpointSlice controller made say so.
MANAGED = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
PortSpec = tuple[str, str, int, int]
"""Name, protocol, port, target port."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Service as somebody asks for it.

    Attributes:
        ingress: addresses that a load balancer gave it.
        selects: the `k8s-app` of its pods, where that is not its name.
    """

    namespace: str
    name: str
    address: str
    ports: tuple[PortSpec, ...] = ()
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    ingress: tuple[str, ...] = ()
    external_name: str = ""
    selects: str = ""


DNS_PORTS = (("dns", "UDP", 53, 53), ("dns-tcp", "TCP", 53, 53), ("metrics", "TCP", 9153, 9153))
HTTP: PortSpec = ("", "TCP", 80, 8080)
DNS = Wanted("kube-system", "kube-dns", CLUSTER_DNS, DNS_PORTS)
ECHOES = Wanted("default", "echo", ECHO, (HTTP,), node_port=ECHO_NODE_PORT)
# One of each kind that kube-proxy treats in its own way, so that counting is not trivial.
WEB = Wanted("default", "web", "10.96.0.110", (HTTP,), 31080, ingress=("192.0.2.80",))
SHOP = Wanted(
    "default", "shop", "10.96.0.120", (HTTP,), external_ips=("192.0.2.90",), selects="web"
)
MAIL = Wanted("default", "mail", "10.96.0.130", (("", "TCP", 25, 2525),))
DATABASE = Wanted("default", "db", HEADLESS, (("", "TCP", 5432, 5432),), selects="echo")
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
    selector = {"k8s-app": wanted.selects or wanted.name}
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
        **({"selector": selector} if wanted.name != "kubernetes" else {}),
        **({"externalTrafficPolicy": "Cluster"} if external else {}),
        **({"externalIPs": list(wanted.external_ips)} if wanted.external_ips else {}),
        **({"allocateLoadBalancerNodePorts": True} if wanted.ingress else {}),
    }


def targets(service: Object) -> list[Object]:
    """The ports of a Service's endpoints."""
    return [
        {"name": one.get("name", ""), "port": one["targetPort"], "protocol": one["protocol"]}
        for one in service["spec"]["ports"]
    ]


def endpoint(pod: Object) -> Object:
    """A pod as an endpoint; one that is ending serves no new connections."""
    metadata = pod["metadata"]
    ready, ending = is_available(pod), "deletionTimestamp" in metadata
    target = {key: metadata[key] for key in ("name", "namespace", "uid")}
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": ready or ending, "terminating": ending},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", **target},
    }


def slice_of(service: Object, endpoints: Sequence[Object]) -> Object:
    """The Service's EndpointSlice; the one of `kubernetes` has its name, as recorded."""
    metadata = service["metadata"]
    name = metadata["name"]
    by_controller = bool(service["spec"].get("selector"))
    return {
        "metadata": {
            "name": f"{name}-{name_suffix()}" if by_controller else name,
            "namespace": metadata["namespace"],
            "labels": {SERVICE: name, **(MANAGED if by_controller else {})},
        },
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": targets(service) if endpoints else [],
    }
