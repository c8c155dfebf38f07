"""The kubelet of one node: it follows the pods that are bound there, and knows their logs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery.objects import parse_time
from nftwave.lab.node.container import Container
from nftwave.lab.node.podstatus import ContainerState
from nftwave.lab.node.podworker import PodWorker, is_kube_proxy
from nftwave.lab.proxy.klog import DEPRECATION
from nftwave.lab.proxy.kubeproxy import KubeProxy
from nftwave.lab.store.events import Recorder

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.store.store import Store


@dataclass(slots=True)
class Kubelet:
    """Follows the pods bound to its node."""

    node: SimNode
    store: Store
    version: str
    pods: dict[str, PodWorker] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _recorder: Recorder | None = None
    _given: int = -1  # place of the address that a pod got last

    @property
    def recorder(self) -> Recorder:
        """Records events of this kubelet; most never do."""
        if self._recorder is None:
            self._recorder = Recorder(self.store, "kubelet", self.node.name)
        return self._recorder

    def adopt(self, pod: Object) -> PodWorker:
        """A pod that has been running for long."""
        running = ContainerState({"running": {"startedAt": pod["status"]["startTime"]}})
        running.container_id = pod["status"]["containerStatuses"][0]["containerID"]
        worker = PodWorker.of(self, pod, running)
        worker.pod_ip = pod["status"]["podIP"]
        self.pods[worker.uid] = worker
        if is_kube_proxy(pod):
            worker.proxy = self.node.proxy = self.kube_proxy()
            worker.proxy.settle(self.config(pod), parse_time(pod["status"]["startTime"]))
        return worker

    def changed(self, kind: str, pod: Object) -> None:
        """A pod of this node was added, changed or removed."""
        uid = pod["metadata"]["uid"]
        worker = self.pods.get(uid)
        if kind == "DELETED":
            if worker:
                worker.stop()
                del self.pods[uid]
        elif worker is None:
            waiting = ContainerState({"waiting": {"reason": "ContainerCreating"}})
            worker = self.pods[uid] = PodWorker.of(self, pod, waiting)
            worker.task = self._start(worker.run(pod))
        if worker and kind != "DELETED" and pod["metadata"].get("deletionTimestamp"):
            if not worker.ending:
                self._start(worker.end(pod))
            worker.ending = True

    def kill_kube_proxy(self, code: int) -> None:
        """Kube-proxy's process is killed; its container starts again in the same pod."""
        for worker in self.pods.values():
            pod = self.store.get("pods", worker.namespace, worker.name)
            if worker.proxy and worker.container.running and not worker.ending and pod:
                worker.stop()
                worker.task = self._start(worker.restart(pod, code))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def awake(self) -> None:
        """Wait while the kubelet is silent."""
        while "node-not-ready" in self.node.faults:
            await self.node.pace.sleep(1)

    def stop(self) -> None:
        """End all that runs here; the lab goes down."""
        for task in tuple(self.tasks):
            task.cancel()

    def pod_addresses(self) -> list[str]:
        """Those of its pods that are not on the node's own network."""
        addresses = (worker.pod_ip for worker in self.pods.values())
        return [one for one in addresses if one and one != self.node.address]

    def pod_ip(self, pod: Object) -> str:
        """An address for a new pod, from the node's range in turn, as host-local IPAM gives it."""
        if pod["spec"].get("hostNetwork"):
            return self.node.address
        taken = {worker.pod_ip for worker in self.pods.values()}
        # The first address is the gateway's.
        free = [str(one) for one in self.node.pod_network.hosts()][1:]
        for _ in free:
            self._given = (self._given + 1) % len(free)
            if free[self._given] not in taken:
                return free[self._given]
        return ""

    def config(self, pod: Object) -> str:
        """config.conf as mounted: the ConfigMap of the pod's volume at this moment."""
        for volume in pod["spec"].get("volumes", []):
            name = volume.get("configMap", {}).get("name")
            found = (
                self.store.get("configmaps", pod["metadata"]["namespace"], name) if name else None
            )
            if found and "config.conf" in found.get("data", {}):
                return str(found["data"]["config.conf"])
        return ""

    def container(self, pod: Object) -> Container:
        """The pod's container, to run a command in."""
        return Container(self.node, pod["spec"]["containers"][0])

    def kube_proxy(self) -> KubeProxy:
        """A kube-proxy for this node that has not started."""
        node = self.node
        return KubeProxy(
            node.name,
            node.kernel,
            node.pace,
            self.version,
            node.faults,
            self._warn_of_ipvs,
            pid=node.next_pid(),
        )

    def _warn_of_ipvs(self) -> None:
        node = self.store.get("nodes", None, self.node.name)
        if node:
            Recorder(self.store, "kube-proxy", self.node.name).record_new_style(
                node, "IPVSDeprecation", DEPRECATION, "StartKubeProxy"
            )

    def pod_log(self, uid: str, *, previous: bool) -> str | None:
        """The log of a pod's container; None if there is none such."""
        worker = self.pods.get(uid)
        if worker is None or not worker.started:
            return None
        current = worker.proxy.log.text if worker.proxy else ""
        if not previous:
            return current
        # Between two runs the last one is the previous one, too.
        return worker.previous_log if worker.container.running else current
