"""The kubelet of one node: pods start, crash, are restarted with back-off, and end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery.objects import parse_time, timestamp
from nftwave.lab.manifests.pods import container_id
from nftwave.lab.node.podstatus import ContainerState, pod_status
from nftwave.lab.proxy.klog import DEPRECATION
from nftwave.lab.proxy.kubeproxy import KubeProxy
from nftwave.lab.store.events import Recorder

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.store.store import Store

# Seconds of a real node.
PREPARE, CREATE, TERMINATE = 0.5, 1.0, 1.0
BACK_OFF, LONGEST_BACK_OFF = 10.0, 300.0
PULL_AGAIN = 15.0


@dataclass(slots=True)
class PodRun:
    """A pod on its node: its container's state and logs."""

    uid: str
    namespace: str
    name: str
    container: ContainerState
    proxy: KubeProxy | None = None
    previous_log: str | None = None
    task: asyncio.Task[None] | None = None
    ending: bool = False

    @property
    def started(self) -> bool:
        """Whether its container ever ran."""
        return bool(self.container.container_id)


@dataclass(slots=True)
class Kubelet:
    """Follows the pods bound to its node."""

    node: SimNode
    store: Store
    version: str
    pods: dict[str, PodRun] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _recorder: Recorder | None = None

    @property
    def recorder(self) -> Recorder:
        """Records events of this kubelet; most never do."""
        if self._recorder is None:
            self._recorder = Recorder(self.store, "kubelet", self.node.name)
        return self._recorder

    def adopt(self, pod: Object) -> PodRun:
        """A pod that has been running for long."""
        running = ContainerState({"running": {"startedAt": pod["status"]["startTime"]}})
        running.container_id = pod["status"]["containerStatuses"][0]["containerID"]
        run = PodRun(*_identity(pod), running)
        self.pods[run.uid] = run
        if _is_kube_proxy(pod):
            run.proxy = self.node.proxy = self._kube_proxy()
            run.proxy.settle(self._config(pod), parse_time(pod["status"]["startTime"]))
        return run

    def changed(self, kind: str, pod: Object) -> None:
        """A pod of this node was added, changed or removed."""
        uid = pod["metadata"]["uid"]
        run = self.pods.get(uid)
        if kind == "DELETED":
            if run:
                self._stop(run)
                del self.pods[uid]
        elif run is None:
            run = self.pods[uid] = PodRun(
                *_identity(pod), ContainerState({"waiting": {"reason": "ContainerCreating"}})
            )
            run.task = self._start(self._run(run, pod))
        if run and kind != "DELETED" and pod["metadata"].get("deletionTimestamp"):
            if not run.ending:
                self._start(self._end(run, pod))
            run.ending = True

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _awake(self) -> None:
        """Wait while the kubelet is silent."""
        while "node-not-ready" in self.node.faults:
            await self.node.pace.sleep(1)

    async def _run(self, run: PodRun, pod: Object) -> None:
        """Start the pod's container, and start it again when it dies."""
        await self._awake()
        await self.node.pace.sleep(PREPARE)
        self._report(run)
        await self._pull(run, pod)
        delay = 0.0
        while True:
            code, started = await self._run_container(run, pod)
            await self._awake()
            self._exited(run, code, started, delay)
            if delay:
                message = (
                    f"Back-off restarting failed container {_container(pod)} in pod "
                    f"{run.name}_{run.namespace}({run.uid})"
                )
                self._event(pod, "BackOff", message, warning=True)
                await self.node.pace.sleep(delay)
            delay = min(delay * 2 or BACK_OFF, LONGEST_BACK_OFF)
            run.container.restarts += 1

    async def _pull(self, run: PodRun, pod: Object) -> None:
        """Have the image; while it cannot be pulled, say so as the kubelet does."""
        image = pod["spec"]["containers"][0]["image"]
        while "image-pull" in self.node.faults:
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
                run.container.state = {"waiting": {"reason": reason, "message": message}}
                self._report(run)
                await self.node.pace.sleep(pause)
        self._event(
            pod,
            "Pulled",
            f'Container image "{image}" already present on machine and can be accessed by the pod',
        )

    async def _run_container(self, run: PodRun, pod: Object) -> tuple[int, str]:
        """Run the container to its end: exit status and when it started."""
        await self.node.pace.sleep(CREATE)
        await self._awake()
        self._event(pod, "Created", "Container created")
        started = timestamp()
        run.container.container_id = container_id()
        run.container.state = {"running": {"startedAt": started}}
        self._event(pod, "Started", "Container started")
        if not _is_kube_proxy(pod):
            self._report(run)
            await asyncio.Event().wait()
        run.previous_log = run.proxy.log.text if run.proxy else None
        run.proxy = self.node.proxy = self._kube_proxy()
        self._report(run)
        try:
            return await run.proxy.run(self._config(pod)), started
        finally:
            run.proxy.serving = False

    def _exited(self, run: PodRun, code: int, started: str, delay: float) -> None:
        """The container died: say so, and how long until the next start."""
        terminated = {
            "exitCode": code,
            "reason": "Error",
            "startedAt": started,
            "finishedAt": timestamp(),
            "containerID": run.container.container_id,
        }
        run.container.state = {"terminated": terminated}
        if delay:
            message = (
                f"back-off {_go_duration(delay)} restarting failed "
                f"container=kube-proxy pod={run.name}_{run.namespace}({run.uid})"
            )
            run.container.last_state = {"terminated": terminated}
            run.container.state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        self._report(run)
        run.container.last_state = {"terminated": terminated}

    async def _end(self, run: PodRun, pod: Object) -> None:
        """End a pod gracefully."""
        await self._awake()
        if run.container.running:
            self._event(pod, "Killing", f"Stopping container {_container(pod)}")
        grace = pod["metadata"].get("deletionGracePeriodSeconds", TERMINATE)
        await self.node.pace.sleep(min(TERMINATE, grace))
        await self._awake()
        self._stop(run)
        found = self.store.get("pods", run.namespace, run.name)
        if found and found["metadata"]["uid"] == run.uid:
            self.store.delete("pods", run.namespace, run.name, uid=run.uid)

    def _stop(self, run: PodRun) -> None:
        if run.task:
            run.task.cancel()
        if run.proxy:
            run.proxy.serving = False
            if self.node.proxy is run.proxy:
                self.node.proxy = None

    def stop(self) -> None:
        """End all that runs here; the lab goes down."""
        for task in tuple(self.tasks):
            task.cancel()

    def _report(self, run: PodRun) -> None:
        """Write the pod's status."""
        pod = self.store.get("pods", run.namespace, run.name)
        if pod is None or pod["metadata"]["uid"] != run.uid:
            return
        pod_ip = self.node.address if pod["spec"].get("hostNetwork") else ""
        new = pod_status(pod, run.container, self.node.address, pod_ip)
        self.store.update("pods", {**pod, "status": new}, manager="kubelet", subresource="status")

    def _event(self, pod: Object, reason: str, message: str, *, warning: bool = False) -> None:
        path = f"spec.containers{{{_container(pod)}}}"
        self.recorder.record(pod, reason, message, warning=warning, path=path)

    def _config(self, pod: Object) -> str:
        """config.conf as mounted: the ConfigMap of the pod's volume at this moment."""
        for volume in pod["spec"].get("volumes", []):
            name = volume.get("configMap", {}).get("name")
            found = (
                self.store.get("configmaps", pod["metadata"]["namespace"], name) if name else None
            )
            if found and "config.conf" in found.get("data", {}):
                return str(found["data"]["config.conf"])
        return ""

    def _kube_proxy(self) -> KubeProxy:
        node = self.node
        return KubeProxy(
            node.name, node.kernel, node.pace, self.version, node.faults, self._warn_of_ipvs
        )

    def _warn_of_ipvs(self) -> None:
        node = self.store.get("nodes", None, self.node.name)
        if node:
            Recorder(self.store, "kube-proxy", self.node.name).record_new_style(
                node, "IPVSDeprecation", DEPRECATION, "StartKubeProxy"
            )

    def pod_log(self, uid: str, *, previous: bool) -> str | None:
        """The log of a pod's container; None if there is none such."""
        run = self.pods.get(uid)
        if run is None or not run.started:
            return None
        current = run.proxy.log.text if run.proxy else ""
        if not previous:
            return current
        # Between two runs the last one is the previous one, too.
        return run.previous_log if run.container.running else current


def _identity(pod: Object) -> tuple[str, str, str]:
    metadata = pod["metadata"]
    return metadata["uid"], metadata["namespace"], metadata["name"]


def _container(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["name"])


def _is_kube_proxy(pod: Object) -> bool:
    return bool(pod["metadata"].get("labels", {}).get("k8s-app") == "kube-proxy")


def _go_duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
