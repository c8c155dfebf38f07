"""Node objects, in the recorded shape."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object

CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
CONTROL_PLANE_NAME = "-cp-"  # in the names of the lab's control plane nodes
ZONE = "topology.kubernetes.io/zone"
CAPACITY = {
    "cpu": "2",
    "ephemeral-storage": "8154588Ki",
    "hugepages-1Gi": "0",
    "hugepages-2Mi": "0",
    "memory": "2012128Ki",
    "pods": "110",
}
ALLOCATABLE = CAPACITY | {"ephemeral-storage": "7515268289", "memory": "1909728Ki"}
PRESSURES = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
READY = ("True", "KubeletReady", "kubelet is posting ready status")
SILENT = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")


def node(
    name: str, address: str, pod_cidr: str, zone: str, *, version: str, kernel: str, since: str
) -> Object:
    """A node that has been Ready since that time."""
    labels = {
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    spec: Object = {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}
    if CONTROL_PLANE_NAME in name:
        labels[CONTROL_PLANE] = ""
        spec["taints"] = [{"key": CONTROL_PLANE, "effect": "NoSchedule"}]
    labels[ZONE] = zone
    identity = uuid.uuid4().hex
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": since,
            "labels": labels,
            "annotations": {
                "kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock",
                "node.alpha.kubernetes.io/ttl": "0",
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": spec,
        "status": {
            "capacity": CAPACITY,
            "allocatable": ALLOCATABLE,
            "conditions": conditions(READY, since),
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": identity,
                "systemUUID": identity,
                "bootID": str(uuid.uuid4()),
                "kernelVersion": kernel,
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://1.6.20",
                "kubeletVersion": version,
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
            "images": [{"names": [f"registry.k8s.io/kube-proxy:{version}"], "sizeBytes": 83251953}],
        },
    }


def conditions(ready: tuple[str, str, str], since: str) -> list[Object]:
    """The conditions of a node; when its kubelet is silent all of them are unknown."""
    silent = ready[0] == "Unknown"
    rows = [
        (kind, SILENT if silent else ("False", reason, message))
        for kind, reason, message in PRESSURES
    ]
    return [
        {
            "type": kind,
            "status": value,
            "lastHeartbeatTime": since,
            "lastTransitionTime": since,
            "reason": reason,
            "message": message,
        }
        for kind, (value, reason, message) in [*rows, ("Ready", ready)]
    ]
