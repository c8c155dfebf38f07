"""Services and EndpointSlices as the API sends them, cut down to what counts."""

from __future__ import annotations

from typing import Any


def service(name="web", addresses=("10.96.3.4",), **spec: Any) -> dict[str, Any]:
    """A Service of namespace default with port 80, named http."""
    ports = [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}]
    labels = spec.pop("labels", {})
    status = spec.pop("status", {})
    return {
        "metadata": {"namespace": "default", "name": name, "labels": labels},
        "spec": {"clusterIP": addresses[0], "clusterIPs": list(addresses), "ports": ports, **spec},
        "status": status,
    }


def balancer(*addresses: str, mode: str = "VIP") -> dict[str, Any]:
    return {"loadBalancer": {"ingress": [{"ip": a, "ipMode": mode} for a in addresses]}}


def endpoint(node: str | None = "n1", **conditions: Any) -> dict[str, Any]:
    told = {"addresses": ["10.244.1.4"], "conditions": conditions}
    return told if node is None else {**told, "nodeName": node}


def endpoint_slice(
    *endpoints, service="web", family="IPv4", name="", port="http"
) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "default",
            "name": name or f"{service}-{family}-{port}",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": [{"name": port, "protocol": "TCP", "port": 8080}],
    }
