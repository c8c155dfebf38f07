"""What people and other hands do while a migration runs: answers, edits, deleted pods and nodes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from nftwave import progress
from nftwave.kube.objects import KUBE_SYSTEM, RESTARTED_AT
from nftwave.kube.resources import CONFIG_MAPS, DAEMON_SETS, NODES, PODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.flows.conftest import Begun, Cluster

CP, ONE, TWO = "lab-1-cp-1", "lab-1-node-1", "lab-1-node-2"
"""The nodes of a lab of three: ONE is the canary, then TWO, then the control plane."""
QUICK = {"verify": 3, "successor": 10, "probe": 3, "connect": 1.5}
"""Deadlines for tests in which a node is to fail."""


@dataclass
class Waiting:
    """A run that waits for a person."""

    begun: Begun
    prefect: str
    found: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.found["id"])

    @property
    def gate(self) -> str:
        return self._key.split("-")[0]

    @property
    def plan_hash(self) -> str:
        return self._key.split("-")[1]

    @property
    def _key(self) -> str:
        return str(self.found["state"]["state_details"]["pause_key"])

    def description(self) -> str:
        """What the form shows."""
        name = f"{self.found['state']['name'].lower()}-{self._key}-description"
        url = f"{self.prefect}/flow_runs/{self.id}/input/{name}"

        def text() -> str:
            reply = httpx.get(url)
            return str(reply.json()) if reply.is_success else ""

        wait_until(text)
        return text()

    def answer(self, decision: str = "approve", reason: str = "looked at it") -> None:
        from flows.answering import answer

        answer(self.id, decision=decision, approver="Ann", reason=reason)


def waiting(
    cluster: Cluster, prefect: str, begun: Begun | None = None, *, gate: str = "plan"
) -> Waiting:
    """A run that is begun here if it is none yet, once it waits at this gate."""
    begun = begun or cluster.begin()
    begun.fleet = str(cluster.lab.fleet_file)
    found = Waiting(begun, prefect, begun.waits_for(prefect))
    assert found.gate == gate, f"it asks at gate {found.gate}"
    return found


def at_gate_2(cluster: Cluster, prefect: str) -> Waiting:
    """A run whose plan was approved, and that asks on the canary's evidence."""
    first = waiting(cluster, prefect)
    first.answer()
    return waiting(cluster, prefect, first.begun, gate="canary")


def wait_until(holds: Callable[[], Any], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


@contextmanager
def told() -> Iterator[list[progress.Event]]:
    """What runs in this process tell meanwhile."""
    events: list[progress.Event] = []
    progress.listeners.append(events.append)
    try:
        yield events
    finally:
        progress.listeners.remove(events.append)


@contextmanager
def meanwhile(
    step: str, text: str, action: Callable[[], Any], *, kind: str = ""
) -> Iterator[list[progress.Event]]:
    """Do something at the very moment when a run tells this, once; the run waits for it."""
    done: list[BaseException | None] = []

    def hear(event: progress.Event) -> None:
        if done or event.step != step or text not in event.text or kind not in {"", event.kind}:
            return
        done.append(None)
        try:
            action()
        except BaseException as error:  # noqa: BLE001 (told by the test, not by who tells)
            done[0] = error

    progress.listeners.append(hear)
    try:
        with told() as events:
            yield events
    finally:
        progress.listeners.remove(hear)
    if done and done[0]:
        raise done[0]
    assert done, f"{step} never told {text!r}: {[e.text for e in events if e.step == step]}"


def words(events: list[progress.Event]) -> str:
    return "\n".join(f"{event.step}: {event.text}" for event in events)


def config(cluster: Cluster) -> str:
    return str(cluster.config_map()["data"]["config.conf"])


def write_config(cluster: Cluster, text: str) -> None:
    """As somebody else would with `kubectl edit`."""
    now = cluster.config_map()
    cluster.gateway().replace(CONFIG_MAPS, {**now, "data": {**now["data"], "config.conf": text}})


def patch_daemon_set(cluster: Cluster, spec: dict[str, Any]) -> None:
    """As somebody else would with `kubectl patch`."""
    cluster.gateway().merge(DAEMON_SETS, "kube-proxy", {"spec": spec}, KUBE_SYSTEM, strategic=True)


def rolling_again(cluster: Cluster) -> None:
    """As kubeadm writes the DaemonSet anew: the hold is gone."""
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    patch_daemon_set(cluster, {"updateStrategy": rolling})


def other_image(cluster: Cluster, image: str = "mirror.example/kube-proxy:v1.36.2") -> None:
    """Pods are made of another image from now on."""
    one = {"name": "kube-proxy", "image": image}
    patch_daemon_set(cluster, {"template": {"spec": {"containers": [one]}}})


def restart_all(cluster: Cluster) -> None:
    """As `kubectl rollout restart` does."""
    annotations = {RESTARTED_AT: "2026-01-01T00:00:00Z"}
    patch_daemon_set(cluster, {"template": {"metadata": {"annotations": annotations}}})


def delete_pod(cluster: Cluster, node: str) -> str:
    """Delete a node's kube-proxy pod, and wait until that one is gone; its uid."""
    pod = cluster.state["nodes"][node]["kubeProxy"]
    cluster.gateway().delete(PODS, pod["pod"], KUBE_SYSTEM, uid=pod["uid"])
    wait_until(lambda: cluster.pods()[node] != pod["uid"])
    return str(pod["uid"])


def restart_node(cluster: Cluster, node: str) -> None:
    """Delete a node's kube-proxy pod, and wait until its successor says what it runs."""
    before = delete_pod(cluster, node)
    wait_until(lambda: cluster.pods()[node] not in {"", before} and cluster.modes()[node])


def remove_node(cluster: Cluster, node: str) -> dict[str, Any]:
    """Take a node out of the cluster, and wait until its kube-proxy is gone; what it was."""
    gateway = cluster.gateway()
    found = dict(gateway.get(NODES, node))
    gateway.delete(NODES, node, uid=found["metadata"]["uid"])
    wait_until(lambda: not cluster.pods()[node])
    return found


def add_node(cluster: Cluster, node: dict[str, Any]) -> None:
    """Let a node that was taken out join again, and wait until its kube-proxy runs."""
    meta = {k: v for k, v in node["metadata"].items() if k in {"name", "labels", "annotations"}}
    cluster.gateway().create(NODES, {**node, "metadata": meta})
    wait_until(lambda: cluster.modes()[meta["name"]])


def as_it_was(cluster: Cluster) -> tuple[Any, Any]:
    """What a way back has to restore: the ConfigMap's data, and the DaemonSet's whole spec."""
    return cluster.config_map()["data"], cluster.daemon_set()["spec"]


def strategy(cluster: Cluster) -> str:
    return str(cluster.daemon_set()["spec"]["updateStrategy"]["type"])


def replaced(cluster: Cluster) -> int:
    """How many kube-proxy pods nftwave has deleted so far."""
    return sum(m.startswith("delete pods/kube-proxy") for m in cluster.mutations())
