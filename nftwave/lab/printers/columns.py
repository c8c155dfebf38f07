"""The columns of `kubectl get`, by resource; priority 1 is shown with `-o wide` only.

Source: Kubernetes 1.36, pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.printers import eventcolumns, nodecolumns, podcolumns
from nftwave.lab.printers.durations import age

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nftwave.lab.machinery.objects import Object

Cell = str | int


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its head, how a cell is made, and when it is shown."""

    name: str
    cell: Callable[[Object], Cell]
    type: str = "string"
    priority: int = 0
    description: str = ""

    def definition(self) -> Object:
        """The TableColumnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": "name" if self.name == "Name" and self.priority == 0 else "",
            "description": self.description or self.name,
            "priority": self.priority,
        }


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Object) -> str:
    return age(obj["metadata"].get("creationTimestamp"))


def _pairs(pairs: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((pairs or {}).items())) or "<none>"


def _wide(name: str, cell: Callable[[Object], Cell]) -> Column:
    return Column(name, cell, priority=1)


_NAME = Column("Name", _name, description="Unique within its namespace.")
_AGE = Column("Age", _age, description="Time since the object was created.")


def _count(field: str) -> Callable[[Object], int]:
    return lambda daemon_set: int(daemon_set.get("status", {}).get(field) or 0)


def _containers(field: str) -> Callable[[Object], str]:
    def cell(daemon_set: Object) -> str:
        containers = daemon_set["spec"]["template"]["spec"]["containers"]
        return ",".join(str(container[field]) for container in containers)

    return cell


def _match_labels(daemon_set: Object) -> str:
    return _pairs(daemon_set["spec"]["selector"].get("matchLabels"))


def _service_ports(service: Object) -> str:
    def shown(port: Object) -> str:
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}"

    return ",".join(shown(port) for port in service["spec"].get("ports", [])) or "<none>"


def _external_ip(service: Object) -> str:
    spec = service["spec"]
    ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    found = [*(one.get("ip", "") for one in ingress), *spec.get("externalIPs", [])]
    if spec.get("type") == "LoadBalancer":
        return ",".join(found) or "<pending>"
    return ",".join(found) or spec.get("externalName") or "<none>"


def _slice_ports(endpoint_slice: Object) -> str:
    ports = [str(port.get("port", "*")) for port in endpoint_slice.get("ports") or []]
    return ",".join(ports) or "<unset>"


def _slice_endpoints(endpoint_slice: Object) -> str:
    addresses = [a for e in endpoint_slice.get("endpoints") or [] for a in e["addresses"]]
    more = f" + {len(addresses) - 3} more..." if len(addresses) > 3 else ""
    return (",".join(addresses[:3]) + more) or "<unset>"


def _controller(revision: Object) -> str:
    for owner in revision["metadata"].get("ownerReferences", []):
        if owner.get("controller"):
            group = owner["apiVersion"].partition("/")
            kind = f"{owner['kind'].lower()}.{group[0]}" if group[1] else owner["kind"].lower()
            return f"{kind}/{owner['name']}"
    return "<none>"


def _data_count(config_map: Object) -> int:
    return len(config_map.get("data") or {}) + len(config_map.get("binaryData") or {})


def _node_selector(daemon_set: Object) -> str:
    return _pairs(daemon_set["spec"]["template"]["spec"].get("nodeSelector"))


def _pod_status(field: str) -> Callable[[Object], str]:
    return lambda pod: pod.get("status", {}).get(field) or "<none>"


def _replicas(workload: Object) -> int:
    return int(workload["spec"].get("replicas", 1))


def _budgeted(field: str) -> Callable[[Object], str]:
    return lambda budget: str(budget["spec"].get(field, "N/A"))


_TEMPLATE = (
    _wide("Containers", _containers("name")),
    _wide("Images", _containers("image")),
    _wide("Selector", _match_labels),
)
DEFAULT_COLUMNS: tuple[Column, ...] = (_NAME, _AGE)
"""For kinds without a row below: custom resources without columns of their own."""

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "configmaps": (
        _NAME,
        Column("Data", _data_count, "integer"),
        _AGE,
    ),
    "controllerrevisions.apps": (
        _NAME,
        Column("Controller", _controller),
        Column("Revision", lambda revision: int(revision["revision"]), "integer"),
        _AGE,
    ),
    "daemonsets.apps": (
        _NAME,
        Column("Desired", _count("desiredNumberScheduled"), "integer"),
        Column("Current", _count("currentNumberScheduled"), "integer"),
        Column("Ready", _count("numberReady"), "integer"),
        Column("Up-to-date", _count("updatedNumberScheduled"), "integer"),
        Column("Available", _count("numberAvailable"), "integer"),
        Column("Node Selector", _node_selector),
        _AGE,
        *_TEMPLATE,
    ),
    "deployments.apps": (
        _NAME,
        Column("Ready", lambda one: f"{_count('readyReplicas')(one)}/{_replicas(one)}"),
        Column("Up-to-date", _count("updatedReplicas"), "integer"),
        Column("Available", _count("availableReplicas"), "integer"),
        _AGE,
        *_TEMPLATE,
    ),
    "endpointslices.discovery.k8s.io": (
        _NAME,
        Column("AddressType", lambda endpoint_slice: str(endpoint_slice["addressType"])),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_endpoints),
        _AGE,
    ),
    "events": (
        Column("Last Seen", eventcolumns.last_seen),
        Column("Type", lambda event: str(event.get("type", ""))),
        Column("Reason", lambda event: str(event.get("reason", ""))),
        Column("Object", eventcolumns.involved),
        _wide("Subobject", lambda event: str(event["involvedObject"].get("fieldPath", ""))),
        _wide("Source", eventcolumns.source),
        Column("Message", lambda event: str(event.get("message", "")).strip()),
        _wide("First Seen", eventcolumns.first_seen),
        Column("Count", lambda event: int(event.get("count") or 1), "integer", priority=1),
        _wide("Name", _name),
    ),
    "leases.coordination.k8s.io": (
        _NAME,
        Column("Holder", lambda lease: str(lease.get("spec", {}).get("holderIdentity") or "")),
        _AGE,
    ),
    "namespaces": (
        _NAME,
        Column("Status", lambda namespace: str(namespace.get("status", {}).get("phase", ""))),
        _AGE,
    ),
    "nodes": (
        _NAME,
        Column("Status", nodecolumns.status),
        Column("Roles", nodecolumns.roles),
        _AGE,
        Column("Version", nodecolumns.info("kubeletVersion")),
        _wide("Internal-IP", nodecolumns.address("InternalIP")),
        _wide("External-IP", nodecolumns.address("ExternalIP")),
        _wide("OS-Image", nodecolumns.info("osImage")),
        _wide("Kernel-Version", nodecolumns.info("kernelVersion")),
        _wide("Container-Runtime", nodecolumns.info("containerRuntimeVersion")),
    ),
    "poddisruptionbudgets.policy": (
        _NAME,
        Column("Min Available", _budgeted("minAvailable")),
        Column("Max Unavailable", _budgeted("maxUnavailable")),
        Column("Allowed Disruptions", _count("disruptionsAllowed"), "integer"),
        _AGE,
    ),
    "pods": (
        _NAME,
        Column("Ready", podcolumns.ready),
        Column("Status", podcolumns.phase_or_reason),
        Column("Restarts", podcolumns.restarts),
        _AGE,
        _wide("IP", _pod_status("podIP")),
        _wide("Node", lambda pod: pod["spec"].get("nodeName") or "<none>"),
        _wide("Nominated Node", _pod_status("nominatedNodeName")),
        _wide("Readiness Gates", podcolumns.readiness_gates),
    ),
    "replicasets.apps": (
        _NAME,
        Column("Desired", _replicas, "integer"),
        Column("Current", _count("replicas"), "integer"),
        Column("Ready", _count("readyReplicas"), "integer"),
        _AGE,
        *_TEMPLATE,
    ),
    "services": (
        _NAME,
        Column("Type", lambda service: str(service["spec"].get("type", "ClusterIP"))),
        Column("Cluster-IP", lambda service: service["spec"].get("clusterIP") or "<none>"),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        _AGE,
        _wide("Selector", lambda service: _pairs(service["spec"].get("selector"))),
    ),
}
