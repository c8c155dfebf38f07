"""What a kubelet writes into a pod's status, in the recorded shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.manifests.pods import mounts

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object

IMAGE_ID = "sha256:2d0afd1cdf629d5d654a5b732a5fd7505f213375363159841c3220ea40c6c244"


@dataclass(slots=True)
class ContainerState:
    """The one container of a lab pod."""

    state: Object
    last_state: Object = field(default_factory=dict)
    restarts: int = 0
    container_id: str = ""

    @property
    def running(self) -> bool:
        """Whether it runs; without probes that is ready, too."""
        return "running" in self.state


def pod_status(pod: Object, container: ContainerState, host_ip: str, pod_ip: str) -> Object:
    """The status of a pod whose container is in this state."""
    before = pod.get("status", {})
    now = timestamp()
    started = before.get("startTime", now)
    pulled = container.running or container.restarts > 0 or "terminated" in container.state
    return {
        "observedGeneration": pod["metadata"].get("generation", 1),
        "phase": "Running" if pulled else "Pending",
        "conditions": _conditions(pod, container, started, now, sandbox=pulled),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        **({"podIP": pod_ip, "podIPs": [{"ip": pod_ip}]} if pod_ip else {}),
        "startTime": started,
        "containerStatuses": [_container(pod["spec"]["containers"][0], container)],
        "qosClass": "BestEffort",
        "resources": {},
    }


def _conditions(
    pod: Object, container: ContainerState, started: str, now: str, *, sandbox: bool
) -> list[Object]:
    old = {one["type"]: one for one in pod.get("status", {}).get("conditions", [])}
    unready = pod["spec"]["containers"][0]["name"]
    name = ["True", "False"][not container.running]
    found = []
    for kind, value in (
        ("PodReadyToStartContainers", "True" if sandbox else "False"),
        ("Initialized", "True"),
        ("Ready", name),
        ("ContainersReady", name),
        ("PodScheduled", "True"),
    ):
        previous = old.get(kind, {})
        same = previous.get("status") == value
        moment = previous["lastTransitionTime"] if same else now
        if kind in {"Initialized", "PodScheduled"}:
            moment = started
        condition = {
            "type": kind,
            "observedGeneration": 1,
            "status": value,
            "lastProbeTime": None,
            "lastTransitionTime": moment,
        }
        if value == "False" and kind.endswith("Ready"):
            condition["reason"] = "ContainersNotReady"
            condition["message"] = f"containers with unready status: [{unready}]"
        found.append(condition)
    return found


def _container(spec: Object, container: ContainerState) -> Object:
    return {
        "name": spec["name"],
        "state": container.state,
        "lastState": container.last_state,
        "ready": container.running,
        "restartCount": container.restarts,
        "image": spec["image"],
        "imageID": IMAGE_ID if container.container_id else "",
        **({"containerID": container.container_id} if container.container_id else {}),
        "started": container.running,
        "resources": {},
        "volumeMounts": mounts(spec),
    }
