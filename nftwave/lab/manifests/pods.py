"""Pods in the recorded shapes: those of a DaemonSet, and static ones."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery.objects import name_suffix

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object

TOLERATIONS = [
    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
    {"key": "node.kubernetes.io/disk-pressure", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node.kubernetes.io/pid-pressure", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"},
]
TOKEN_SOURCES = [
    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [
                {
                    "path": "namespace",
                    "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                }
            ]
        }
    },
]


def daemon_pod(daemon_set: Object, node: str, revision: str) -> Object:
    """A pod of a DaemonSet, bound to its node."""
    template, owner = daemon_set["spec"]["template"], daemon_set["metadata"]
    generation = owner.get("annotations", {}).get("deprecated.daemonset.template.generation", "1")
    token = f"kube-api-access-{name_suffix()}"
    spec = template["spec"]
    mount = {
        "name": token,
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    containers = [
        {**one, "volumeMounts": [*one.get("volumeMounts", []), mount]} for one in spec["containers"]
    ]
    affinity = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    metadata: Object = {
        "generateName": f"{owner['name']}-",
        "namespace": owner["namespace"],
        "labels": {
            **template["metadata"].get("labels", {}),
            "controller-revision-hash": revision,
            "pod-template-generation": generation,
        },
        "ownerReferences": [owner_reference("DaemonSet", owner)],
    }
    if template["metadata"].get("annotations"):
        metadata["annotations"] = template["metadata"]["annotations"]
    return {
        "metadata": metadata,
        "spec": {
            **spec,
            "containers": containers,
            "nodeName": node,
            "volumes": [
                *spec.get("volumes", []),
                {"name": token, "projected": {"sources": TOKEN_SOURCES, "defaultMode": 420}},
            ],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [affinity]
                    }
                }
            },
            "tolerations": [*spec.get("tolerations", []), *TOLERATIONS],
            "priority": 2000001000,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def owner_reference(kind: str, metadata: Object) -> Object:
    """The reference of an object to the controller that made it, of group apps."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def static_pod(component: str, image: str, node: Object) -> Object:
    """The mirror of a control plane's static pod, as kubeadm and kubelet make it."""
    name = node["metadata"]["name"]
    digest = hashlib.md5(f"{component} {image}".encode(), usedforsecurity=False).hexdigest()
    owner = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": name,
        "uid": node["metadata"]["uid"],
        "controller": True,
    }
    container = {
        "name": component,
        "image": image,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    return {
        "metadata": {
            "name": f"{component}-{name}",
            "namespace": "kube-system",
            "labels": {"component": component, "tier": "control-plane"},
            "annotations": {
                "kubernetes.io/config.hash": digest,
                "kubernetes.io/config.mirror": digest,
                "kubernetes.io/config.source": "file",
            },
            "ownerReferences": [owner],
        },
        "spec": {
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "nodeName": name,
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "hostNetwork": True,
            "priority": 2000001000,
            "priorityClassName": "system-node-critical",
            "tolerations": [{"operator": "Exists", "effect": "NoExecute"}],
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


def is_available(pod: Object | None) -> bool:
    """Whether the pod is Ready and not ending."""
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        return False
    return any(
        one["type"] == "Ready" and one["status"] == "True"
        for one in pod.get("status", {}).get("conditions", ())
    )


def container_id() -> str:
    """A containerd id."""
    return f"containerd://{secrets.token_hex(32)}"


def mounts(container: dict[str, Any]) -> list[Object]:
    """What the status says about a container's mounts."""
    return [
        {
            "name": one["name"],
            "mountPath": one["mountPath"],
            **({"readOnly": True, "recursiveReadOnly": "Disabled"} if one.get("readOnly") else {}),
        }
        for one in container.get("volumeMounts", [])
    ]
