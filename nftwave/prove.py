"""Proving a node: look until it is verified, or until its time is over.

One SSH connection a node; on it the same one probe again, while what it shows may still become
true. The first sync of nftables rules ends seconds after the pod is Ready (11 s, measured with
kube-proxy 1.36.2), so not yet is the usual first answer.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.evidence import Expected, NodeVerdict, ProxyLog, Standing, judge
from nftwave.kube.errors import ApiError
from nftwave.kube.objects import KUBE_PROXY_LABEL, KUBE_SYSTEM, ProxyPod
from nftwave.kube.resources import PODS
from nftwave.kube.rollout import last_words
from nftwave.node.connect import SHARED, open_session

if TYPE_CHECKING:
    from nftwave.kube.gateway import Gateway
    from nftwave.node.facts import NodeFacts
    from nftwave.node.host import Access
    from nftwave.node.jumps import JumpHosts
    from nftwave.node.session import Session

LOG_HEAD = 16 * 1024
"""Bytes of the log's beginning that are read: kube-proxy names its proxier in the first 4 KiB
(recorded, kube-proxy 1.36.2)."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
"""Seconds between two looks; doubled each time."""

STOP = threading.Event()
"""Set when the run is being ended: every loop here then ends after the look in hand."""


@dataclass(frozen=True)
class Subject:
    """A node to be proven: how it is reached, its pod as last seen, what must be true."""

    node: str
    access: Access
    pod: ProxyPod | None
    expected: Expected


def prove(
    gateway: Gateway,
    subject: Subject,
    *,
    deadline: float,
    probe_deadline: float,
    jumps: JumpHosts = SHARED,
) -> NodeVerdict:
    """The verdict on a node: as soon as it is verified or its pod cannot come up, else in the end.

    Args:
        deadline: seconds; 0 looks once.
        probe_deadline: seconds for one look, connection included.
        jumps: connections to jump hosts that are shared with other nodes.
    """
    until = time.monotonic() + deadline
    pod, log, pause = subject.pod, None, FIRST_PAUSE
    session: Session | None = None
    try:
        while True:
            try:
                session = session or open_session(
                    subject.access, deadline=probe_deadline, jumps=jumps
                )
                facts: NodeFacts | Unreachable = session.probe(deadline=probe_deadline)
            except Unreachable as error:
                facts = error
                _close(session)
                session = None
            if log is None or (log.proxier is None and not log.last_words):
                log = _log(gateway, pod)
            verdict = judge(subject.node, facts, pod, log, subject.expected, at=time.time())
            left = until - time.monotonic()
            hopeless = pod is not None and pod.hopeless
            if verdict.standing is Standing.VERIFIED or hopeless or left <= 0 or STOP.is_set():
                return verdict
            STOP.wait(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)
            before, pod = pod, _pod(gateway, subject.node, pod)
            if pod != before:
                log = None
    finally:
        _close(session)


def _close(session: Session | None) -> None:
    if session is not None:
        session.close()


def _pod(gateway: Gateway, node: str, last: ProxyPod | None) -> ProxyPod | None:
    """The node's newest kube-proxy pod; the last one seen while the API server is away."""
    fields = f"spec.nodeName={node}"
    with suppress(ApiError):
        listing = gateway.list(PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL, fields=fields)
        pods = [ProxyPod.of(item) for item in listing.items]
        return max(pods, key=lambda p: (not p.deleting, p.created), default=None)
    return last


def _log(gateway: Gateway, pod: ProxyPod | None) -> ProxyLog | None:
    if pod is not None and pod.hopeless:
        return ProxyLog(None, None, last_words(gateway, pod))
    if pod is None or pod.started is None:
        return None
    with suppress(ApiError):
        return ProxyLog.read(gateway.log(KUBE_SYSTEM, pod.name, first_bytes=LOG_HEAD))
    return None
