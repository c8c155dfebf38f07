"""DaemonSet kube-proxy and the ControllerRevisions of DaemonSets, in the recorded shapes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nftwave.lab.manifests.pods import owner_reference

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object

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


def log_agent(node: str) -> Object:
    """DaemonSet logging/log-agent: somebody else's, on one node only."""
    container = {
        "name": "log-agent",
        "image": "docker.io/fluent/fluent-bit:4.0.3",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    }
    labels = {"app": "log-agent"}
    spec = {
        "containers": [container],
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "nodeSelector": {"kubernetes.io/hostname": node},
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "hostNetwork": True,
        "securityContext": {},
        "schedulerName": "default-scheduler",
    }
    return _daemon_set("log-agent", "logging", labels, spec)


def kube_proxy(version: str) -> Object:
    """DaemonSet kube-proxy."""
    container = PROXY_TEMPLATE_SPEC["containers"][0]
    image = f"registry.k8s.io/kube-proxy:{version}"
    spec = {**PROXY_TEMPLATE_SPEC, "containers": [{**container, "image": image}]}
    return _daemon_set("kube-proxy", "kube-system", {"k8s-app": "kube-proxy"}, spec)


def _daemon_set(name: str, namespace: str, labels: dict[str, str], spec: Object) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
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
            "ownerReferences": [owner_reference("DaemonSet", metadata)],
        },
        "data": {"spec": {"template": {"$patch": "replace", **daemon_set["spec"]["template"]}}},
        "revision": number,
    }
