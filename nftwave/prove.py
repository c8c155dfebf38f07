"""Proving a node: look until it is verified, or until its time is over.

One connection a node; on it the same one probe again, while what it shows may still become true.
The first sync ends seconds after the pod is Ready (11 s of nftables rules, measured with kube-proxy
1.36.2), so not yet is the usual first answer.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.evidence import Expected, Look, NodeVerdict, ProxyLog, Standing, judge
from nftwave.evidence.pod import same_container
from nftwave.kube.errors import ApiError
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.rollout import last_words
from nftwave.node.deadline import Deadline
from nftwave.node.frames import NEVER_SEEN

if TYPE_CHECKING:
    from collections.abc import Collection

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.objects import ProxyPod
    from nftwave.node.facts import NodeFacts, ServicePort
    from nftwave.reaching import Opener, Probing
    from nftwave.witness import Witness

LOG_HEAD = 16 * 1024
"""Bytes of the log's beginning that are read: kube-proxy names its proxier in the first 4 KiB
(recorded, kube-proxy 1.36.2)."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 4.0
"""Seconds between two looks; doubled each time."""
LOG_WITHIN, LOG_ATTEMPTS = 10.0, 2
"""Seconds for one answer with a log, and how often it is asked for in one look: the API server
fetches it from the kubelet, and where that is silent each answer takes long. The next look asks
again."""
APART = 1.0
"""Seconds between two looks that count as two: a container that dies at its start is gone by then
or has begun anew."""

SECOND_LOOKS = 3
"""How often a second look is taken out of turn: a container that is replaced between two looks
needs another pair."""

STOP = threading.Event()
"""Set when the run is being ended: every loop here then ends after the look in hand."""


@dataclass(frozen=True)
class Subject:
    """A node to be proven.

    Attributes:
        open: makes the connection, within a deadline.
        expected: what must be true of it, the mode that it has to run included.
    """

    node: str
    open: Opener
    expected: Expected


def prove(
    witness: Witness, subject: Subject, *, deadline: float, probe_deadline: float
) -> NodeVerdict:
    """The verdict on a node: as soon as it is verified or waiting has no point, else in the end.

    Waiting has no point where the pod cannot come up, and where all that is missing is what exec
    can never see.

    Args:
        witness: what the API says meanwhile.
        deadline: seconds; 0 looks once, and a second time where a verdict needs two looks.
        probe_deadline: seconds for one look, connecting included.
    """
    until = time.monotonic() + deadline
    seen = _Looking(witness, subject, probe_deadline)
    pause = FIRST_PAUSE
    try:
        while True:
            verdict = seen.look()
            left = until - time.monotonic()
            if verdict.standing is Standing.VERIFIED or seen.hopeless or STOP.is_set():
                return verdict
            if all(one.seen == NEVER_SEEN for one in verdict.against()):
                return verdict
            second = seen.second_look(verdict)
            if second is None and left <= 0:
                return verdict
            if second is not None:
                STOP.wait(second)
                continue
            STOP.wait(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)
    finally:
        seen.close()


class _Looking:
    """The looks at one node, and what is remembered from one to the next."""

    def __init__(self, witness: Witness, subject: Subject, probe_deadline: float) -> None:
        self._witness = witness
        self._subject = subject
        self._deadline = probe_deadline
        self._session: Probing | None = None
        self._log: ProxyLog | None = None
        self._first: tuple[float, Look] | None = None
        self._alone = True
        """Whether the last look had no earlier one at the same container beside it."""
        self._seconds = 0
        self._pod: ProxyPod | None = None

    @property
    def hopeless(self) -> bool:
        """Whether the pod cannot come up, so that waiting has no point."""
        return self._pod is not None and self._pod.hopeless

    def second_look(self, verdict: NodeVerdict) -> float | None:
        """Seconds until the second look at the container, where only that is missing; else None."""
        against = [one for one in verdict.against() if one.seen != NEVER_SEEN]
        if len(against) != 1 or against[0].name != "container stays up" or self._first is None:
            return None
        if not self._alone or self._seconds == SECOND_LOOKS:
            return None
        self._seconds += 1
        # A look that itself took so long is followed by the second one at once.
        return max(0.0, self._first[0] + APART - time.monotonic())

    def look(self) -> NodeVerdict:
        """Look once, and judge."""
        node, begun = self._subject.node, time.monotonic()
        reach = self._witness.reach()
        facts = self._probe(reach)
        self._follow_pod(self._witness.pod(node))
        if isinstance(facts, Unreachable):
            look = Look(facts, self._pod, self._log, pod_is_old=self._witness.pods_are_old)
        else:
            mode = self._subject.expected.mode
            look = Look(
                facts,
                self._pod,
                self._log,
                self._witness.compare(node, facts, since=begun, mode=mode),
                self._witness.foreign(facts),
                reach,
                self._witness.cluster_ips(since=begun),
                pod_is_old=self._witness.pods_are_old,
            )
        first = self._earlier(look, begun)
        self._alone = first is None
        return judge(node, look, self._subject.expected, at=time.time(), first=first)

    def _probe(self, reach: Collection[ServicePort]) -> NodeFacts | Unreachable:
        try:
            limit = Deadline(self._deadline)
            self._session = self._session or self._subject.open(limit)
            return self._session.probe(deadline=limit, reach=reach)
        except Unreachable as error:
            self.close()
            return error

    def _follow_pod(self, pod: ProxyPod | None) -> None:
        if pod != self._pod:
            self._pod, self._log = pod, None
        if self._log is None or (self._log.proxier is None and not self._log.last_words):
            brisk = self._witness.gateway.brisk(LOG_WITHIN, attempts=LOG_ATTEMPTS)
            self._log = _read_log(brisk, pod)

    def _earlier(self, look: Look, begun: float) -> Look | None:
        """The first look at the same container, if it is long enough ago."""
        known = self._first[1].pod if self._first else None
        if look.pod is None or known is None or not same_container(known, look.pod):
            self._first = (begun, look)
        if self._first is None or begun - self._first[0] < APART:
            return None
        return self._first[1]

    def close(self) -> None:
        """Close the connection, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _read_log(gateway: Gateway, pod: ProxyPod | None) -> ProxyLog | None:
    if pod is not None and pod.hopeless:
        return ProxyLog(None, None, last_words(gateway, pod))
    if pod is None or pod.started is None:
        return None
    with suppress(ApiError):
        return ProxyLog.read(gateway.log(KUBE_SYSTEM, pod.name, first_bytes=LOG_HEAD))
    return None
