"""Deployments, ReplicaSets, their pods, PodDisruptionBudgets, as Kubernetes 1.36 keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.manifests.daemonsets import revision_hash
from nftwave.lab.manifests.nodes import CONTROL_PLANE
from nftwave.lab.manifests.pods import owner_reference

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
# As those of kubeadm's coredns: it runs on a control plane too, and not where a node is cordoned.
ON_CONTROL_PLANES: Object = {"key": CONTROL_PLANE, "effect": "NoSchedule", "operator": "Exists"}


def deployment(
    namespace: str,
    name: str,
    labels: dict[str, str],
    image: str,
    replicas: int,
    *,
    tolerations: tuple[Object, ...] = (),
) -> Object:
    """A Deployment of pods with one container, which selects them by their labels."""
    container = {
        "name": name,
        "image": image,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "securityContext": {},
        "schedulerName": "default-scheduler",
        **({"tolerations": list(tolerations)} if tolerations else {}),
    }
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": {REVISION: "1"},
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
            },
            "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
        },
        "status": {},
    }


def replica_set(owner: Object, number: int = 1) -> Object:
    """The ReplicaSet of a Deployment's template, its revision of that number."""
    metadata, spec = owner["metadata"], owner["spec"]
    digest = revision_hash(spec["template"])
    template = spec["template"]
    labels = {**template["metadata"].get("labels", {}), HASH: digest}
    return {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": {REVISION: str(number)},
            "ownerReferences": [owner_reference("Deployment", metadata)],
        },
        "spec": {
            "replicas": spec["replicas"],
            "selector": {
                "matchLabels": {**spec["selector"].get("matchLabels", {}), HASH: digest},
            },
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
        "status": {"replicas": 0},
    }


def replica_pod(owner: Object) -> Object:
    """A pod of a ReplicaSet, still without a node."""
    metadata, template = owner["metadata"], owner["spec"]["template"]
    made: Object = {
        "generateName": f"{metadata['name']}-",
        "namespace": metadata["namespace"],
        "labels": template["metadata"]["labels"],
        "ownerReferences": [owner_reference("ReplicaSet", metadata)],
    }
    if template["metadata"].get("annotations"):
        made["annotations"] = template["metadata"]["annotations"]
    spec = template["spec"]
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
        for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    ]
    return {
        "metadata": made,
        "spec": {
            "serviceAccountName": "default",
            "serviceAccount": "default",
            **spec,
            "tolerations": [*spec.get("tolerations", []), *added],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def disruption_budget(
    namespace: str, name: str, labels: dict[str, str], max_unavailable: int
) -> Object:
    """A PodDisruptionBudget of the pods with these labels."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "maxUnavailable": max_unavailable,
            "selector": {"matchLabels": labels},
        },
        "status": {
            "disruptionsAllowed": 0,
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "expectedPods": 0,
        },
    }
