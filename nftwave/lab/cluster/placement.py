"""Which pods a node may have: labels, taints, cordons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object


def selects(spec: Object, node: Object) -> bool:
    """Whether the node has the labels of a pod's nodeSelector."""
    labels = node["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in spec.get("nodeSelector", {}).items())


def tolerates(spec: Object, taint: Object) -> bool:
    """Whether a pod may be on a node in spite of a taint."""
    return taint["effect"] == "PreferNoSchedule" or any(
        _tolerated_by(toleration, taint) for toleration in spec.get("tolerations", [])
    )


def _tolerated_by(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    if toleration.get("key") not in {None, "", taint["key"]}:
        return False
    return toleration.get("operator") == "Exists" or (
        toleration.get("value", "") == taint.get("value", "")
    )


def eligible(daemon_set: Object, node: Object) -> bool:
    """Whether the DaemonSet wants a pod on the node; its pods bear a cordon and a silent node."""
    spec = daemon_set["spec"]["template"]["spec"]
    taints = [
        taint
        for taint in node["spec"].get("taints", [])
        if not taint["key"].startswith("node.kubernetes.io/")
    ]
    return selects(spec, node) and all(tolerates(spec, taint) for taint in taints)


UNSCHEDULABLE: Object = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def feasible(pod: Object, node: Object) -> bool:
    """Whether the scheduler may put an ordinary pod there."""
    spec = pod["spec"]
    # The taint comes a moment after the cordon; the scheduler asks for the cordon itself.
    cordon = [UNSCHEDULABLE] if node["spec"].get("unschedulable") else []
    taints = [*node["spec"].get("taints", []), *cordon]
    return selects(spec, node) and _is_ready(node) and all(tolerates(spec, one) for one in taints)


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
