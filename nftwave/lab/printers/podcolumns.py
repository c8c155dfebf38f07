"""What `kubectl get pods` says of a pod.

Source: Kubernetes 1.36, pkg/printers/internalversion/printers.go (printPod).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.printers.durations import age

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object


def _statuses(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("containerStatuses") or [])


def ready(pod: Object) -> str:
    """`1/1`: containers ready, of all."""
    count = sum(1 for container in _statuses(pod) if container.get("ready"))
    return f"{count}/{len(pod['spec'].get('containers') or [])}"


def phase_or_reason(pod: Object) -> str:
    """`Running`, `CrashLoopBackOff`, `Error`, `Terminating`, …: the nearest cause there is."""
    status = pod.get("status", {})
    if "deletionTimestamp" in pod["metadata"] and status.get("phase") not in {
        "Failed",
        "Succeeded",
    }:
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    shown = status.get("reason") or status.get("phase") or ""
    running = False
    for container in reversed(_statuses(pod)):
        state = container.get("state", {})
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            shown = waiting["reason"]
        elif ended is not None:
            shown = ended.get("reason") or _exit(ended)
        elif container.get("ready") and "running" in state:
            running = True
    if shown == "Completed" and running:
        shown = "Running" if _condition(pod, "Ready") else "NotReady"
    return str(shown)


def _exit(ended: Object) -> str:
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _condition(pod: Object, kind: str) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def restarts(pod: Object) -> str:
    """`3 (5m ago)`: restarts of all containers, and when the last of them ended."""
    statuses = _statuses(pod)
    count = sum(int(container.get("restartCount", 0)) for container in statuses)
    ends = [
        ended["finishedAt"]
        for container in statuses
        if (ended := container.get("lastState", {}).get("terminated")) and ended.get("finishedAt")
    ]
    return f"{count} ({age(max(ends))} ago)" if count and ends else str(count)


def readiness_gates(pod: Object) -> str:
    """`1/1`: readiness gates that are true, of all; `<none>` without any."""
    gates = pod["spec"].get("readinessGates") or []
    if not gates:
        return "<none>"
    true = sum(1 for gate in gates if _condition(pod, gate["conditionType"]))
    return f"{true}/{len(gates)}"
