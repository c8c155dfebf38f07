"""What the API server tells of a node's kube-proxy: its pod, and its log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence.model import Evidence, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Expected, Look, Seen
    from nftwave.kube.objects import ProxyPod

LEAST_TRUST, MOST_TRUST = 10.0, 600.0
"""Seconds in which a container that died before is not trusted: twice as long as it lived then,
within these. The kubelet itself forgets a death after ten minutes: it then resets the restart delay
(Kubernetes documentation, Pod Lifecycle)."""
YOUNG = 60.0
"""Seconds in which a container is looked at twice before it counts as up."""


def ready_successor(node: str, look: Look, expected: Expected, *, reachable: bool) -> Evidence:
    """Whether the pod that must be there is there and Ready.

    Where the node itself is silent, its kubelet may be too, and what the API server tells is old:
    then only what cannot pass by itself counts as failed. Where the API server is silent, nothing
    that it told before counts as failed, or as there.
    """
    command = (
        "kubectl -n kube-system get pod -l k8s-app=kube-proxy"
        f" --field-selector spec.nodeName={node} -o wide"
    )
    pod = look.pod
    name, silent = "kube-proxy pod", Standing.FAILED if reachable else Standing.UNKNOWN
    if look.pod_is_old:
        told = f"{pod.name} was {pod.state()}" if pod else "there was no kube-proxy pod"
        seen = f"{told} when the API server was last heard"
        return Evidence(name, Standing.UNKNOWN, seen, command)
    if pod is None:
        return Evidence(name, silent, "no kube-proxy pod on this node", command)
    if pod.uid == expected.replaced_uid:
        return Evidence(name, Standing.FAILED, f"{pod.name} was not replaced", command)
    if pod.hopeless:
        last_words = look.log.last_words if look.log else ""
        seen = f"{pod.name}: {pod.waiting}, {pod.restarts} restarts{last_words}"
        return Evidence(name, Standing.FAILED, seen, command)
    if not pod.ready or pod.deleting:
        return Evidence(name, silent, f"{pod.name} is {pod.state()}", command)
    replaced = ", replaced" if expected.replaced_uid else ""
    return Evidence(name, Standing.VERIFIED, f"{pod.name} is Ready{replaced}", command)


def stays_up(seen: Seen) -> Iterable[Evidence]:
    """Whether the container is one that stays: a crash loop has good moments too.

    kube-proxy has no readiness probe, so its pod is Ready whenever its container runs.
    """
    pod, age = seen.look.pod, seen.age
    if pod is None or age is None:
        return
    name = "container stays up"
    command = (
        f"kubectl -n kube-system get pod {pod.name}"
        " -o jsonpath='{.status.containerStatuses[0].restartCount}'"
    )
    told = f"{pod.restarts} restarts, up for {max(age, 0):.0f} s"
    if pod.restarts and pod.exit_code and age < _trusted_after(pod):
        told += f", died with exit code {pod.exit_code} before;"
        told += f" trusted after {_trusted_after(pod):.0f} s"
        yield Evidence(name, Standing.UNKNOWN, told, command)
    elif age >= YOUNG and not pod.restarts:
        yield Evidence(name, Standing.VERIFIED, told, command)
    elif seen.first is None or seen.first.pod is None:
        yield Evidence(name, Standing.UNKNOWN, f"{told}; looked at once only", command)
    elif not same_container(pod, seen.first.pod):
        yield Evidence(name, Standing.UNKNOWN, f"{told}; it restarted between two looks", command)
    else:
        yield Evidence(name, Standing.VERIFIED, f"{told}, the same at two looks", command)


def _trusted_after(pod: ProxyPod) -> float:
    """Age in seconds at which the container has outlived the one that died."""
    life = MOST_TRUST if pod.last_life is None else pod.last_life
    return min(max(2 * life, LEAST_TRUST), MOST_TRUST)


def same_container(one: ProxyPod, other: ProxyPod) -> bool:
    """Whether both looks saw the same run of the container."""
    return (one.uid, one.restarts, one.started) == (other.uid, other.restarts, other.started)


def log_line(seen: Seen) -> Evidence:
    """Which proxier kube-proxy says that it uses."""
    log, pod = seen.look.log, seen.look.pod
    command = f"kubectl -n kube-system logs {pod.name if pod else 'POD'} | grep Proxier"
    if log is None:
        return Evidence("log line", Standing.UNKNOWN, "the log could not be read", command)
    if log.proxier is None:
        # A log that was rotated has lost its first lines. What the line says is proven better by
        # /proxyMode and by what is in the kernel, so this alone does not make a node unknown.
        told = "no longer in the log; /proxyMode tells the same"
        return Evidence("log line", Standing.UNKNOWN, told, command, counts=False)
    right = log.proxier == seen.expected.mode
    told = f"Using {log.proxier} Proxier{'' if right else f', not {seen.expected.mode}'}"
    return Evidence("log line", Standing.of(right), told, command)
