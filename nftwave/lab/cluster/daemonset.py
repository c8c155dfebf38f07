"""The DaemonSet controller: one pod on each node, replaced as the update strategy says.

Rules: Kubernetes 1.36 source, pkg/controller/daemon/update.go (without maxSurge).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nftwave.lab.cluster.placement import eligible
from nftwave.lab.machinery.status import ApiStatus
from nftwave.lab.manifests.daemonsets import controller_revision, revision_hash
from nftwave.lab.manifests.pods import daemon_pod, is_available
from nftwave.lab.store.events import Recorder

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.pace import Pace
    from nftwave.lab.store.store import Store

DAEMON_SETS, REVISIONS = "daemonsets.apps", "controllerrevisions.apps"
MANAGER = "kube-controller-manager"
SETTLE = 0.1  # seconds of a real node between a change and the look at it


class DaemonSetController:
    """Reconciles all DaemonSets of one cluster."""

    def __init__(self, store: Store, pace: Pace) -> None:
        self._store = store
        self._pace = pace
        self._events = Recorder(store, "daemonset-controller")
        self._scheduler = Recorder(store, "default-scheduler", "default-scheduler")

    async def run(self) -> None:
        """Follow DaemonSets, pods and nodes."""
        changes = self._store.subscribe(DAEMON_SETS, "pods", "nodes")
        while True:
            await self._pace.sleep(SETTLE)
            for daemon_set in self._store.list(DAEMON_SETS):
                try:
                    self.reconcile(daemon_set)
                except ApiStatus:
                    # Somebody else wrote at the same moment; the next look sees it.
                    continue
            await changes.wait()

    def reconcile(self, daemon_set: Object) -> None:
        """One look: revisions, missing pods, the rolling update, the status."""
        revision = self._revision(daemon_set)
        nodes = {
            node["metadata"]["name"]
            for node in self._store.list("nodes")
            if eligible(daemon_set, node)
        }
        pods = self._pods(daemon_set)
        self._manage(daemon_set, revision, nodes, pods)
        strategy = daemon_set["spec"].get("updateStrategy", {})
        if strategy.get("type", "RollingUpdate") == "RollingUpdate":
            self._roll(daemon_set, strategy, revision, nodes, pods)
        self._write_status(daemon_set, revision, nodes)

    def _pods(self, daemon_set: Object) -> list[Object]:
        uid = daemon_set["metadata"]["uid"]
        return [
            pod
            for pod in self._store.list("pods", daemon_set["metadata"]["namespace"])
            if any(owner["uid"] == uid for owner in pod["metadata"].get("ownerReferences", ()))
        ]

    def _revision(self, daemon_set: Object) -> str:
        """The hash of the template; its ControllerRevision is made, or becomes the newest."""
        metadata = daemon_set["metadata"]
        revision = revision_hash(daemon_set["spec"]["template"])
        known = [
            one
            for one in self._store.list(REVISIONS, metadata["namespace"])
            if one["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
        ]
        newest = max((one["revision"] for one in known), default=0)
        name = f"{metadata['name']}-{revision}"
        mine = next((one for one in known if one["metadata"]["name"] == name), None)
        if mine is None:
            made = controller_revision(daemon_set, revision, newest + 1)
            self._store.create(REVISIONS, made, manager=MANAGER)
        elif mine["revision"] < newest:
            self._store.update(REVISIONS, {**mine, "revision": newest + 1}, manager=MANAGER)
        return revision

    def _manage(
        self, daemon_set: Object, revision: str, nodes: set[str], pods: list[Object]
    ) -> None:
        """Make missing pods, remove those on nodes that are not eligible, and failed ones."""
        # A pod that is ending still counts: its successor is made when it is gone.
        having = {pod["spec"].get("nodeName") for pod in pods}
        for node in sorted(nodes - having):
            pod = self._store.create(
                "pods", daemon_pod(daemon_set, node, revision), manager=MANAGER
            )
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            self._events.record(daemon_set, "SuccessfulCreate", f"Created pod: {name}")
            self._scheduler.record_new_style(
                pod, "Scheduled", f"Successfully assigned {namespace}/{name} to {node}", "Binding"
            )
        for pod in pods:
            if pod["spec"].get("nodeName") not in nodes:
                self._delete(daemon_set, pod)

    def _roll(
        self,
        daemon_set: Object,
        strategy: Object,
        revision: str,
        nodes: set[str],
        pods: list[Object],
    ) -> None:
        """Delete old pods: the unavailable at once, others while few enough are unavailable."""
        limit = max_unavailable(strategy, len(nodes))
        by_node = {pod["spec"].get("nodeName"): pod for pod in pods}
        unavailable = sum(not is_available(by_node.get(node)) for node in nodes)
        candidates = []
        for node in sorted(nodes & set(by_node)):
            pod = by_node[node]
            if pod["metadata"].get("deletionTimestamp") or is_current(pod, revision):
                continue
            if is_available(pod):
                candidates.append(pod)
            else:
                self._delete(daemon_set, pod)
        for pod in candidates[: max(limit - unavailable, 0)]:
            self._delete(daemon_set, pod)

    def _delete(self, daemon_set: Object, pod: Object) -> None:
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        self._store.terminate(
            "pods",
            metadata["namespace"],
            metadata["name"],
            uid=metadata["uid"],
            grace_seconds=pod["spec"].get("terminationGracePeriodSeconds", 30),
        )
        self._events.record(daemon_set, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    def _write_status(self, daemon_set: Object, revision: str, nodes: set[str]) -> None:
        pods = [pod for pod in self._pods(daemon_set) if pod["spec"].get("nodeName") in nodes]
        ready = sum(is_available(pod) for pod in pods)
        updated = sum(is_current(pod, revision) for pod in pods)
        unavailable = len(nodes) - ready
        status = {
            "currentNumberScheduled": len({pod["spec"]["nodeName"] for pod in pods}),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(nodes),
            "numberReady": ready,
            "observedGeneration": daemon_set["metadata"]["generation"],
            **({"updatedNumberScheduled": updated} if updated else {}),
            **({"numberAvailable": ready} if ready else {}),
            **({"numberUnavailable": unavailable} if unavailable else {}),
        }
        if status != daemon_set.get("status"):
            self._store.update(
                DAEMON_SETS, {**daemon_set, "status": status}, manager=MANAGER, subresource="status"
            )


def max_unavailable(strategy: Object, nodes: int) -> int:
    """How many pods may be unavailable; per cent are rounded up, and it is one at least."""
    value = strategy.get("rollingUpdate", {}).get("maxUnavailable", 1)
    if isinstance(value, str) and value.endswith("%"):
        value = math.ceil(nodes * int(value[:-1]) / 100)
    return max(int(value), 1)


def is_current(pod: Object, revision: str) -> bool:
    """Whether the pod was made from the current template."""
    return bool(pod["metadata"].get("labels", {}).get("controller-revision-hash") == revision)
