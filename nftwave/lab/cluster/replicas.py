"""Controllers of Deployments and ReplicaSets: so many pods, whatever becomes of them.

Rules: Kubernetes 1.36 source, pkg/controller/replicaset and deployment. A new template replaces
the old pods when all of the new ones are there; maxSurge and maxUnavailable are not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.cluster.following import MANAGER, of_a_replica_set, owner_of
from nftwave.lab.machinery.objects import key_of
from nftwave.lab.manifests.pods import is_available
from nftwave.lab.manifests.workloads import REVISION, replica_pod, replica_set
from nftwave.lab.store.events import Recorder

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store

DEPLOYMENTS, REPLICA_SETS = "deployments.apps", "replicasets.apps"


class Replicas:
    """Keeps the Deployments and ReplicaSets of one cluster, and collects what they leave."""

    follows = (DEPLOYMENTS, REPLICA_SETS, "pods")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._deployed = Recorder(store, "deployment-controller")
        self._replicated = Recorder(store, "replicaset-controller")

    def concerns(self, event: Event) -> bool:
        """Their own kinds, and pods of ReplicaSets."""
        return of_a_replica_set(event)

    def look(self) -> None:
        """Deployments first, since they say how large their ReplicaSets are."""
        self._collect(REPLICA_SETS, "Deployment", DEPLOYMENTS)
        for deployment in self._store.list(DEPLOYMENTS):
            self._deploy(deployment)
        self._collect("pods", "ReplicaSet", REPLICA_SETS)
        for one in self._store.list(REPLICA_SETS):
            self._replicate(one)
        for deployment in self._store.list(DEPLOYMENTS):
            self._sum_up(deployment)

    def _collect(self, resource: str, kind: str, owners: str) -> None:
        """End what belongs to somebody who is gone."""
        living = {one["metadata"]["uid"] for one in self._store.list(owners)}
        for obj in self._store.list(resource):
            owner, uid = owner_of(obj)
            if owner == kind and uid not in living:
                if resource == "pods":
                    self._end(obj)
                else:
                    self._store.delete(resource, *key_of(obj))

    def _owned(self, resource: str, owner: Object) -> list[Object]:
        metadata = owner["metadata"]
        return [
            one
            for one in self._store.list(resource, metadata["namespace"])
            if owner_of(one)[1] == metadata["uid"]
        ]

    def _deploy(self, deployment: Object) -> None:
        """Its ReplicaSets: the one of its template, and the older ones while they are needed."""
        owned = self._owned(REPLICA_SETS, deployment)
        wanted = replica_set(deployment)
        name = wanted["metadata"]["name"]
        current = next((one for one in owned if one["metadata"]["name"] == name), None)
        if current is None:
            newest = max(
                (int(one["metadata"]["annotations"][REVISION]) for one in owned), default=0
            )
            made = replica_set(deployment, newest + 1)
            current = self._store.create(REPLICA_SETS, made, manager=MANAGER)
        size = deployment["spec"]["replicas"]
        self._scale(deployment, current, size)
        if current["status"].get("readyReplicas", 0) >= size:
            for one in owned:
                if one["metadata"]["name"] != name:
                    self._scale(deployment, one, 0)

    def _scale(self, deployment: Object, one: Object, size: int) -> None:
        before = one["spec"]["replicas"]
        if before == size:
            return
        resized = {**one, "spec": {**one["spec"], "replicas": size}}
        self._store.update(REPLICA_SETS, resized, manager=MANAGER)
        way = "up" if size > before else "down"
        said = f"Scaled {way} replica set {one['metadata']['name']} from {before} to {size}"
        self._deployed.record(deployment, "ScalingReplicaSet", said)

    def _replicate(self, owner: Object) -> None:
        """Pods that are ending or have ended do not count: their successors come at once."""
        active = [
            pod
            for pod in self._owned("pods", owner)
            if "deletionTimestamp" not in pod["metadata"]
            and pod.get("status", {}).get("phase") not in {"Failed", "Succeeded"}
        ]
        size = owner["spec"]["replicas"]
        for _ in range(size - len(active)):
            pod = self._store.create("pods", replica_pod(owner), manager=MANAGER)
            active.append(pod)
            said = f"Created pod: {pod['metadata']['name']}"
            self._replicated.record(owner, "SuccessfulCreate", said)
        if len(active) > size:
            # Those that serve nobody go first.
            active.sort(key=is_available, reverse=True)
            for pod in active[size:]:
                self._end(pod)
                said = f"Deleted pod: {pod['metadata']['name']}"
                self._replicated.record(owner, "SuccessfulDelete", said)
            active = active[:size]
        ready = sum(is_available(pod) for pod in active)
        count = len(active)
        self._write_status(
            REPLICA_SETS,
            owner,
            {
                "replicas": count,
                **({"fullyLabeledReplicas": count} if count else {}),
                **({"readyReplicas": ready, "availableReplicas": ready} if ready else {}),
            },
        )

    def _sum_up(self, deployment: Object) -> None:
        owned = self._owned(REPLICA_SETS, deployment)
        current = replica_set(deployment)["metadata"]["name"]
        count = sum(one["status"]["replicas"] for one in owned)
        updated = sum(
            one["status"]["replicas"] for one in owned if one["metadata"]["name"] == current
        )
        ready = sum(one["status"].get("readyReplicas", 0) for one in owned)
        missing = max(deployment["spec"]["replicas"] - ready, 0)
        found = {
            "replicas": count,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": missing,
        }
        counted = {key: value for key, value in found.items() if value}
        self._write_status(DEPLOYMENTS, deployment, counted)

    def _write_status(self, resource: str, obj: Object, status: Object) -> None:
        current = self._store.get(resource, *key_of(obj)) or obj
        generation = current["metadata"]["generation"]
        wanted = {"observedGeneration": generation, **status}
        if current.get("status") != wanted:
            changed = {**current, "status": wanted}
            self._store.update(resource, changed, manager=MANAGER, subresource="status")

    def _end(self, pod: Object) -> None:
        if "deletionTimestamp" in pod["metadata"]:
            return
        if not pod["spec"].get("nodeName"):
            self._store.delete("pods", *key_of(pod))
            return
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._store.terminate("pods", *key_of(pod), grace_seconds=grace)
