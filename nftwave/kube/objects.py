"""What a migration reads from Nodes, Pods and DaemonSets, in plain words.

Each is a frozen view made from the server's JSON, so that judgement elsewhere needs no API shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.kube.resources import Object

KUBE_PROXY = "kube-proxy"
KUBE_SYSTEM = "kube-system"
KUBE_PROXY_LABEL = "k8s-app=kube-proxy"
"""Names that kubeadm gives (Kubernetes 1.36 source, cmd/kubeadm/app/phases/addons/proxy)."""

FATAL_WAITS = (
    "CrashLoopBackOff",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    # Of a container that has ended with an error and is not started again yet.
    "Error",
    "OOMKilled",
    "ContainerCannotRun",
    "StartError",
)
"""Why a container does not run, where waiting does not help (Kubernetes source, pkg/kubelet)."""


def instant(text: str | None) -> float | None:
    """Seconds since the epoch of an API timestamp, None where there is none."""
    return datetime.fromisoformat(text).timestamp() if text else None


@dataclass(frozen=True)
class NodeView:
    """A Node as the API tells it."""

    name: str
    ready: bool
    kubelet: str
    kernel: str
    operating_system: str
    labels: Mapping[str, str]
    object: Object

    @classmethod
    def of(cls, node: Object) -> NodeView:
        """From the JSON of a Node."""
        info = node.get("status", {}).get("nodeInfo", {})
        conditions = node.get("status", {}).get("conditions") or ()
        return cls(
            name=node["metadata"]["name"],
            ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
            kubelet=info.get("kubeletVersion", ""),
            kernel=info.get("kernelVersion", ""),
            operating_system=info.get("operatingSystem", ""),
            labels=node["metadata"].get("labels") or {},
            object=node,
        )


@dataclass(frozen=True)
class ProxyPod:
    """A kube-proxy pod: where it runs and how its container does. Times in epoch seconds."""

    name: str
    uid: str
    node: str
    created: float
    deleting: bool
    ready: bool
    started: float | None
    """Start of the running container by the node's clock, None while none runs."""
    restarts: int
    image: str
    waiting: str
    """Why the container waits (`CrashLoopBackOff`), empty while it does not."""
    detail: str
    """What the kubelet says about that, or how the last container ended."""
    revision: str
    """Label controller-revision-hash: the DaemonSet template it was made from."""
    exit_code: int | None = None
    """How the container that ran before this one ended; None where none did."""
    last_life: float | None = None
    """Seconds that it had run for."""

    @classmethod
    def of(cls, pod: Object) -> ProxyPod:
        """From the JSON of a Pod."""
        meta, status = pod["metadata"], pod.get("status", {})
        container: dict[str, Any] = next(iter(status.get("containerStatuses") or ()), {})
        state, last = container.get("state") or {}, container.get("lastState") or {}
        ended = state.get("terminated") or last.get("terminated") or {}
        died = (state.get("terminated") or {}).get("exitCode")
        waiting = state.get("waiting") or (ended if died else {})
        conditions = status.get("conditions") or ()
        return cls(
            name=meta["name"],
            uid=meta["uid"],
            node=pod.get("spec", {}).get("nodeName", ""),
            created=instant(meta["creationTimestamp"]) or 0.0,
            deleting="deletionTimestamp" in meta,
            ready=any(c["type"] == "Ready" and c["status"] == "True" for c in conditions),
            started=instant((state.get("running") or {}).get("startedAt")),
            restarts=int(container.get("restartCount", 0)),
            image=container.get("image") or _image(pod),
            waiting=str(waiting.get("reason") or ""),
            detail=str(waiting.get("message") or _ending(ended)),
            revision=(meta.get("labels") or {}).get("controller-revision-hash", ""),
            exit_code=ended.get("exitCode"),
            last_life=_life(ended),
        )

    @property
    def hopeless(self) -> bool:
        """Whether waiting for it has no point: its container cannot start, or keeps dying."""
        return self.waiting in FATAL_WAITS

    def state(self) -> str:
        """One or two words for a table."""
        if self.deleting:
            return "terminating"
        if self.waiting:
            return self.waiting
        return "Ready" if self.ready else "starting"


def _image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0].get("image", ""))


def _life(ended: Mapping[str, Any]) -> float | None:
    began, finished = instant(ended.get("startedAt")), instant(ended.get("finishedAt"))
    return None if began is None or finished is None else finished - began


def _ending(ended: Mapping[str, Any]) -> str:
    if not ended:
        return ""
    return f"exit code {ended.get('exitCode')} ({ended.get('reason', 'no reason given')})"


@dataclass(frozen=True)
class DaemonSetView:
    """The kube-proxy DaemonSet."""

    resource_version: str
    generation: int
    observed_generation: int
    strategy: str
    desired: int
    updated: int
    available: int
    misscheduled: int
    image: str
    command: tuple[str, ...]
    restarted_at: str
    object: Object

    @classmethod
    def of(cls, daemon_set: Object) -> DaemonSetView:
        """From the JSON of a DaemonSet."""
        meta, spec, status = (daemon_set[k] for k in ("metadata", "spec", "status"))
        template = spec["template"]
        container = template["spec"]["containers"][0]
        annotations = template.get("metadata", {}).get("annotations") or {}
        return cls(
            resource_version=meta["resourceVersion"],
            generation=meta.get("generation", 0),
            observed_generation=status.get("observedGeneration", 0),
            strategy=spec.get("updateStrategy", {}).get("type", "RollingUpdate"),
            desired=status.get("desiredNumberScheduled", 0),
            updated=status.get("updatedNumberScheduled", 0),
            available=status.get("numberAvailable", 0),
            misscheduled=status.get("numberMisscheduled", 0),
            image=container.get("image", ""),
            command=(*(container.get("command") or ()), *(container.get("args") or ())),
            restarted_at=annotations.get(RESTARTED_AT, ""),
            object=daemon_set,
        )

    @property
    def settled(self) -> bool:
        """Whether no rollout is under way: what `kubectl rollout status` waits for."""
        return (
            self.observed_generation >= self.generation
            and self.available >= self.desired
            and (self.updated >= self.desired or self.strategy == "OnDelete")
        )


RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The template annotation that `kubectl rollout restart` sets."""
