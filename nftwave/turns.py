"""One node's turn: kube-proxy is replaced, its successor waited for, and the node proves itself.

The same in both directions: to nftables, and back to ipvs. What a node is to run is decided by
config.conf, which was changed before; what is to be done to it, by what it runs now.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nftwave.drain import drain, uncordon
from nftwave.drift import outdated
from nftwave.errors import BadInput, NftwaveError, Unreachable
from nftwave.evidence import Expected, NodeVerdict, Standing
from nftwave.kube.errors import ApiConflict, ApiNotFound, ApiUnavailable
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import PODS
from nftwave.node.deadline import Deadline
from nftwave.node.facts import NodeFacts
from nftwave.prove import STOP, Subject, prove
from nftwave.quiet import await_quiet
from nftwave.reaching import once, opener
from nftwave.verify import silent, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.evidence import Mode
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.objects import ProxyPod
    from nftwave.measuring import Meters
    from nftwave.node.jumps import JumpHosts
    from nftwave.reaching import Opener
    from nftwave.witness import Witness

ATTEMPTS = 8
LONGEST_WAIT = 10.0


class StillBusy(NftwaveError):
    """A node that the policy does not allow to be changed while it has so many connections."""


class Turns:
    """The turns of one cluster's nodes. Usable from several threads.

    Args:
        facts: of the last look, with probes of the nodes that answered.
        witness: follows kube-proxy's pods; entered.
        mode: what nodes are to run after their turn.
        begun: nodes that an earlier run had begun with, each with the uid of the pod that it was
            about to replace.
        drained: nodes that are emptied first.
        meters: measures the interruption, None where nothing is measured.
        may_go_on: called before each change; raises where nothing may be changed any more.
        tell: called with a node and what is done there.
    """

    def __init__(  # noqa: PLR0913 (all by name)
        self,
        gateway: Gateway,
        facts: ClusterFacts,
        witness: Witness,
        *,
        mode: Mode,
        begun: Mapping[str, str],
        drained: Collection[str],
        meters: Meters | None,
        jumps: JumpHosts,
        may_go_on: Callable[[], None],
        tell: Callable[[str, str], None],
    ) -> None:
        self._gateway = gateway
        self._facts = facts
        self._cluster = facts.cluster
        self._witness = witness
        self._mode: Mode = mode
        self._begun = begun
        self._drained = frozenset(drained)
        self._meters = meters
        self._jumps = jumps
        self._may_go_on = may_go_on
        self._tell = tell
        self._nodes = {node.name: node for node in facts.nodes}
        self.replaced: set[str] = set()
        """Nodes whose kube-proxy was deleted."""
        # On the way back the template becomes what it was: who never changed is made of that.
        self._outdated = outdated(facts) if mode == "nftables" else frozenset()
        self._seen = {pod.node: pod.uid for pod in facts.pods if not pod.deleting}

    def take(self, name: str) -> NodeVerdict:
        """One node's turn.

        Raises:
            NftwaveError: the node was not changed: it could not be drained or stayed busy, or
                nothing may be changed any more.
        """
        expected = Expected(
            self._facts.must_serve,
            silent_before=silent(self._facts.probes.get(name)),
            deadline=self._cluster.policy.deadlines.verify,
            mode=self._mode,
        )
        try:
            way = self._way(name)
        except BadInput as error:
            return unreachable(self._witness, name, Unreachable(str(error)), expected)
        replaced = self._replace(name, way)
        if isinstance(replaced, Unreachable):
            return unreachable(self._witness, name, replaced, expected)
        verdict = prove(
            self._witness,
            Subject(name, way, replace(expected, replaced_uid=replaced or None)),
            deadline=self._cluster.policy.deadlines.verify,
            probe_deadline=self._cluster.policy.deadlines.probe,
        )
        if self._meters:
            verdict = replace(verdict, interruption=self._meters.stop(name))
        if verdict.standing is Standing.VERIFIED:
            self._bring_back(name)
        elif name in self._drained:
            self._tell(name, "stays cordoned until it is proven or taken back")
        return verdict

    def _way(self, name: str) -> Opener:
        return opener(
            self._cluster,
            self._nodes[name],
            gateway=self._gateway,
            pod=partial(self._witness.pod, name),
            jumps=self._jumps,
        )

    def _replace(self, name: str, way: Opener) -> str | Unreachable:
        """Replace the node's kube-proxy if that is still to be done; the uid that was replaced."""
        pod = self._witness.pod(name)
        mode = self._running(name, pod, way)
        if isinstance(mode, Unreachable) and self._mode == "nftables":
            # What cannot be asked could not be proven either. The way back is gone all the same:
            # there it brings the node to what it has run before.
            return mode
        done = mode == self._mode and name not in self._outdated
        if pod is None or pod.deleting or done or self._was_replaced(name, pod, mode):
            if done:
                self._tell(name, f"runs {mode} already; asked for its evidence")
            else:
                self._await_successor(name, "")
            return ""
        self._prepare(name, way)
        self._may_go_on()
        self._tell(name, f"kube-proxy pod {pod.name} deleted")
        delete_pod(self._gateway, pod.name, pod.uid)
        self.replaced.add(name)
        self._await_successor(name, pod.uid)
        return pod.uid

    def _running(self, name: str, pod: ProxyPod | None, way: Opener) -> str | Unreachable | None:
        """The mode that the node runs: as last seen, or asked again if its pod is another one."""
        probe = self._facts.probes.get(name)
        if not (isinstance(probe, NodeFacts) and pod and pod.uid == self._seen.get(name)):
            try:
                probe = once(way, Deadline(self._cluster.policy.deadlines.probe), ())
            except Unreachable as error:
                return error
        return probe.proxy_mode if isinstance(probe.proxy_mode, str) else None

    def _was_replaced(self, name: str, pod: ProxyPod, mode: str | Unreachable | None) -> bool:
        """Whether an earlier run has replaced the pod, and the successor is on its way."""
        before = self._begun.get(name)
        return mode is None and before not in (None, pod.uid) and not pod.hopeless

    def _prepare(self, name: str, way: Opener) -> None:
        """What the policy asks for before a node's kube-proxy goes."""
        if self._mode != "nftables":
            return  # established connections survive the way back (measured, kube-proxy 1.36.2)
        policy = self._cluster.policy
        if policy.quiet.max_connections is not None:
            self._quiet(name, way, policy.quiet.max_connections)
        if name in self._drained:
            self._may_go_on()
            self._tell(name, "draining")
            drain(
                self._gateway,
                name,
                deadline=policy.drain.deadline,
                unmanaged=policy.drain.unmanaged,
                empty_dir=policy.drain.empty_dir,
                may_go_on=self._may_go_on,
                tell=lambda what: self._tell(name, what),
            )
        target = next((port for port in self._facts.must_serve if port.protocol == "tcp"), None)
        if self._meters and target:
            self._meters.start(self._cluster, [self._nodes[name]], target)

    def _quiet(self, name: str, way: Opener, few: int) -> None:
        policy = self._cluster.policy
        found = await_quiet(
            way,
            max_connections=few,
            wait_seconds=policy.quiet.wait_seconds,
            probe_deadline=policy.deadlines.probe,
            tell=lambda what: self._tell(name, what),
        )
        if not found.quiet and policy.quiet.otherwise == "stop":
            raise StillBusy(
                found.words,
                cluster=self._cluster.name,
                node=name,
                unchanged="its kube-proxy was not restarted",
                next_step="run this again when the node is quiet, or set policy.quiet.otherwise:"
                " go-on",
            )

    def _await_successor(self, name: str, old: str) -> None:
        """Until a pod other than the old one is Ready, or cannot come up, or its time is over."""

        def is_there(pod: ProxyPod | None) -> bool:
            new = pod is not None and not pod.deleting and pod.uid != old
            return bool(new and pod and (pod.ready or pod.hopeless)) or STOP.is_set()

        until = time.monotonic() + self._cluster.policy.deadlines.successor
        pod = self._witness.await_pod(name, is_there, seconds=until - time.monotonic())
        state = pod.state() if pod and pod.uid != old else "not there"
        self._tell(name, f"successor is {state}; waiting for its evidence")

    def _bring_back(self, name: str) -> None:
        """Let pods come to a node again that was cordoned for its turn."""
        if name in self._drained and uncordon(self._gateway, name):
            self._tell(name, "uncordoned")


def delete_pod(gateway: Gateway, name: str, uid: str) -> None:
    """Delete one of kube-proxy's pods; done already is as good. Repeated under its uid.

    Raises:
        ApiError: refused, or the API server stayed away.
    """
    for attempt in range(ATTEMPTS):
        try:
            return gateway.delete(PODS, name, KUBE_SYSTEM, uid=uid)
        except (ApiNotFound, ApiConflict):
            return None  # gone, or the name is its successor's
        except ApiUnavailable as error:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(error.retry_after or min(0.25 * 2**attempt, LONGEST_WAIT))
    return None
