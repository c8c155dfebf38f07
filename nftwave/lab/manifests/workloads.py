"""DaemonSet kube-proxy, pods, Services and EndpointSlices, in the recorded shapes."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery.objects import name_suffix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object

CLUSTER_DNS, API_SERVICE, ECHO = "10.96.0.10", "10.96.0.1", "10.96.0.100"
ECHO_NODE_PORT = 30080
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
PROXY_TEMPLATE_SPEC: Object = {
    "volumes": [
        {"name": "kube-proxy", "configMap": {"name": "kube-proxy", "defaultMode": 420}},
        {"name": "xtables-lock", "hostPath": {"path": "/run/xtables.lock", "type": "FileOrCreate"}},
        {"name": "lib-modules", "hostPath": {"path": "/lib/modules", "type": ""}},
    ],
    "containers": [
        {
            "name": "kube-proxy",
            "image": "",
            "command": [
                "/usr/local/bin/kube-proxy",
                "--config=/var/lib/kube-proxy/config.conf",
                "--hostname-override=$(NODE_NAME)",
            ],
            "env": [
                {
                    "name": "NODE_NAME",
                    "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}},
                }
            ],
            "resources": {},
            "volumeMounts": [
                {"name": "kube-proxy", "mountPath": "/var/lib/kube-proxy"},
                {"name": "xtables-lock", "mountPath": "/run/xtables.lock"},
                {"name": "lib-modules", "readOnly": True, "mountPath": "/lib/modules"},
            ],
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
            "securityContext": {"privileged": True},
        }
    ],
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "serviceAccountName": "kube-proxy",
    "serviceAccount": "kube-proxy",
    "hostNetwork": True,
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "tolerations": [{"operator": "Exists"}],
    "priorityClassName": "system-node-critical",
}


def kube_proxy(version: str) -> Object:
    """DaemonSet kube-proxy."""
    container = PROXY_TEMPLATE_SPEC["containers"][0]
    image = f"registry.k8s.io/kube-proxy:{version}"
    spec = {**PROXY_TEMPLATE_SPEC, "containers": [{**container, "image": image}]}
    labels = {"k8s-app": "kube-proxy"}
    return {
        "metadata": {
            "name": "kube-proxy",
            "namespace": "kube-system",
            "labels": labels,
            "annotations": {"deprecated.daemonset.template.generation": "1"},
        },
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
            },
            "revisionHistoryLimit": 10,
        },
        "status": {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    }


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
        "ownerReferences": [_owner("DaemonSet", owner)],
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


def _owner(kind: str, metadata: Object) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def plain_pod(name: str, namespace: str, app: str, node: str, image: str) -> Object:
    """A pod of an ordinary workload, whose own controller the lab does not have."""
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"k8s-app": app}},
        "spec": {
            "containers": [
                {
                    "name": app,
                    "image": image,
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                    "imagePullPolicy": "IfNotPresent",
                }
            ],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "nodeName": node,
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [{"operator": "Exists"}],
            "priority": 0,
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {"phase": "Pending", "qosClass": "BestEffort"},
    }


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


def revision_hash(template: Object) -> str:
    """A hash of a pod template, spelled as Kubernetes spells them."""
    digest = hashlib.sha256(repr(template).encode()).digest()
    alphabet = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(alphabet[byte % len(alphabet)] for byte in digest[:10])


def controller_revision(daemon_set: Object, revision: str, number: int) -> Object:
    """The ControllerRevision of a template."""
    metadata = daemon_set["metadata"]
    return {
        "metadata": {
            "name": f"{metadata['name']}-{revision}",
            "namespace": metadata["namespace"],
            "labels": {
                **daemon_set["spec"]["selector"]["matchLabels"],
                "controller-revision-hash": revision,
            },
            "annotations": {"deprecated.daemonset.template.generation": str(number)},
            "ownerReferences": [_owner("DaemonSet", metadata)],
        },
        "data": {"spec": {"template": {"$patch": "replace", **daemon_set["spec"]["template"]}}},
        "revision": number,
    }


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
