"""Services and their EndpointSlices, in the recorded shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import name_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object

CLUSTER_DNS, API_SERVICE, ECHO = "10.96.0.10", "10.96.0.1", "10.96.0.100"
ECHO_NODE_PORT = 30080


def service(
    namespace: str, name: str, address: str, ports: list[Object], *, kind: str = "ClusterIP"
) -> Object:
    """A Service with a ClusterIP."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "ports": ports,
            "clusterIP": address,
            "clusterIPs": [address],
            "type": kind,
            "sessionAffinity": "None",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            **({"selector": {"k8s-app": name}} if name != "kubernetes" else {}),
            **({"externalTrafficPolicy": "Cluster"} if kind == "NodePort" else {}),
        },
        "status": {"loadBalancer": {}},
    }


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
