"""What `kubectl get nodes` says of a node.

Source: Kubernetes 1.36, pkg/printers/internalversion/printers.go (printNode).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.machinery.objects import Object


def status(node: Object) -> str:
    """`Ready`, `NotReady,SchedulingDisabled`, …; `Unknown` for a node that never reported."""
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
    ready = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "NotReady")
    shown = [ready if "Ready" in conditions else "Unknown"]
    if node.get("spec", {}).get("unschedulable"):
        shown.append("SchedulingDisabled")
    return ",".join(shown)


def roles(node: Object) -> str:
    """`control-plane`: what its labels say that it is."""
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels", {})
    found = [label[len(prefix) :] for label in labels if label.startswith(prefix)]
    return ",".join(sorted(role for role in found if role)) or "<none>"


def address(kind: str) -> Callable[[Object], str]:
    """A cell of a node's first address of that kind, `InternalIP`."""

    def cell(node: Object) -> str:
        addresses = node.get("status", {}).get("addresses", [])
        return next((str(a["address"]) for a in addresses if a["type"] == kind), "<none>")

    return cell


def info(field: str) -> Callable[[Object], str]:
    """A cell of one field of `status.nodeInfo`."""
    return lambda node: node.get("status", {}).get("nodeInfo", {}).get(field) or "<unknown>"
