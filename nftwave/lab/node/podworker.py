"""The kubelet's worker of one pod: its container starts, crashes, starts again, and ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import timestamp
from nftwave.lab.manifests.pods import container_id
from nftwave.lab.node.podstatus import ContainerState, pod_status

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.node.kubelet import Kubelet
    from nftwave.lab.proxy.kubeproxy import KubeProxy

# Seconds of a real node.
PREPARE, CREATE, TERMINATE = 0.5, 1.0, 1.0
BACK_OFF, LONGEST_BACK_OFF = 10.0, 300.0
PULL_AGAIN = 15.0


@dataclass(slots=True)
class PodWorker:
    """A pod on its node: its container's state and logs, and what becomes of it."""

    kubelet: Kubelet
    uid: str
    namespace: str
    name: str
    container: ContainerState
    pod_ip: str = ""
    proxy: KubeProxy | None = None
    previous_log: str | None = None
    task: asyncio.Task[None] | None = None
    ending: bool = False

    @property
    def started(self) -> bool:
        """Whether its container ever ran."""
        return bool(self.container.container_id)

    @classmethod
    def of(cls, kubelet: Kubelet, pod: Object, container: ContainerState) -> PodWorker:
        """The worker of a pod whose container is in that state."""
        metadata = pod["metadata"]
        return cls(kubelet, metadata["uid"], metadata["namespace"], metadata["name"], container)

    async def run(self, pod: Object) -> None:
        """Start the pod's container, and start it again when it dies."""
        await self.kubelet.awake()
        await self.kubelet.node.pace.sleep(PREPARE)
        self._report()
        self.pod_ip = self.kubelet.pod_ip(pod)
        await self._pull(pod)
        await self._keep_running(pod, 0.0)

    async def _keep_running(self, pod: Object, delay: float) -> None:
        while True:
            code, started = await self._run_container(pod)
            delay = await self._died(pod, code, started, delay)

    async def _died(self, pod: Object, code: int, started: str, delay: float) -> float:
        """Say so, and wait until it is time for the next start; gives the delay after that."""
        await self.kubelet.awake()
        self._exited(code, started, delay)
        if delay:
            message = (
                f"Back-off restarting failed container {_container(pod)} in pod "
                f"{self.name}_{self.namespace}({self.uid})"
            )
            self._event(pod, "BackOff", message, warning=True)
            await self.kubelet.node.pace.sleep(delay)
        self.container.restarts += 1
        return min(delay * 2 or BACK_OFF, LONGEST_BACK_OFF)

    async def restart(self, pod: Object, code: int) -> None:
        """Its container was killed: start it again, at first without a delay."""
        started = self.container.state["running"]["startedAt"]
        delay = await self._died(pod, code, started, 0.0)
        await self._keep_running(pod, delay)

    async def _pull(self, pod: Object) -> None:
        """Have the image; while it cannot be pulled, say so as the kubelet does."""
        image = pod["spec"]["containers"][0]["image"]
        while "image-pull" in self.kubelet.node.faults:
            failure = (
                f'failed to pull and unpack image "{image}": failed to resolve reference '
                f'"{image}": {image}: not found'
            )
            self._event(pod, "Failed", f'Failed to pull image "{image}": {failure}', warning=True)
            for reason, message, pause in (
                ("ErrImagePull", failure, 2.0),
                (
                    "ImagePullBackOff",
                    f'Back-off pulling image "{image}": ErrImagePull: {failure}',
                    PULL_AGAIN,
                ),
            ):
                self.container.state = {"waiting": {"reason": reason, "message": message}}
                self._report()
                await self.kubelet.node.pace.sleep(pause)

    async def _run_container(self, pod: Object) -> tuple[int, str]:
        """Run the container to its end: exit status and when it started."""
        await self.kubelet.node.pace.sleep(CREATE)
        await self.kubelet.awake()
        image = pod["spec"]["containers"][0]["image"]
        self._event(
            pod,
            "Pulled",
            f'Container image "{image}" already present on machine and can be accessed by the pod',
        )
        self._event(pod, "Created", "Container created")
        started = timestamp()
        self.container.container_id = container_id()
        self.container.state = {"running": {"startedAt": started}}
        self._event(pod, "Started", "Container started")
        if not is_kube_proxy(pod):
            self._report()
            await asyncio.Event().wait()
        self.previous_log = self.proxy.log.text if self.proxy else None
        proxy = self.proxy = self.kubelet.node.proxy = self.kubelet.kube_proxy()
        self._report()
        try:
            return await proxy.run(self.kubelet.config(pod)), started
        finally:
            proxy.stop()

    def _exited(self, code: int, started: str, delay: float) -> None:
        """The container died: say so, and how long until the next start."""
        terminated = {
            "exitCode": code,
            "reason": "Error",
            "startedAt": started,
            "finishedAt": timestamp(),
            "containerID": self.container.container_id,
        }
        self.container.state = {"terminated": terminated}
        if delay:
            message = (
                f"back-off {_go_duration(delay)} restarting failed "
                f"container=kube-proxy pod={self.name}_{self.namespace}({self.uid})"
            )
            self.container.last_state = {"terminated": terminated}
            self.container.state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        self._report()
        self.container.last_state = {"terminated": terminated}

    async def end(self, pod: Object) -> None:
        """End a pod gracefully."""
        await self.kubelet.awake()
        if self.container.running:
            self._event(pod, "Killing", f"Stopping container {_container(pod)}")
        grace = pod["metadata"].get("deletionGracePeriodSeconds", TERMINATE)
        await self.kubelet.node.pace.sleep(min(TERMINATE, grace))
        await self.kubelet.awake()
        self.stop()
        found = self.kubelet.store.get("pods", self.namespace, self.name)
        if found and found["metadata"]["uid"] == self.uid:
            self.kubelet.store.delete("pods", self.namespace, self.name, uid=self.uid)

    def stop(self) -> None:
        """End its container at once, and write nothing."""
        if self.task:
            self.task.cancel()
        if self.proxy:
            self.proxy.stop()
            if self.kubelet.node.proxy is self.proxy:
                self.kubelet.node.proxy = None

    def _report(self) -> None:
        """Write the pod's status."""
        pod = self.kubelet.store.get("pods", self.namespace, self.name)
        if pod is None or pod["metadata"]["uid"] != self.uid:
            return
        new = pod_status(pod, self.container, self.kubelet.node.address, self.pod_ip)
        self.kubelet.store.update(
            "pods", {**pod, "status": new}, manager="kubelet", subresource="status"
        )

    def _event(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        path = f"spec.containers{{{_container(pod)}}}"
        self.kubelet.recorder.record(pod, reason, message, warning=warning, path=path)


def _container(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def is_kube_proxy(pod: Object) -> bool:
    """Whether the pod is one of kube-proxy."""
    return bool(pod["metadata"].get("labels", {}).get("k8s-app") == "kube-proxy")


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
