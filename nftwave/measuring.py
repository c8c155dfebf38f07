"""Measuring the interruption on chosen nodes, from before the restart until each is proven."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nftwave.errors import BadInput, Unreachable
from nftwave.interruption import Interruption
from nftwave.node.jumps import JumpHosts
from nftwave.node.meter import Meter
from nftwave.node.parallel import on_each
from nftwave.reaching import access_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.fleet import Cluster
    from nftwave.kube.objects import NodeView
    from nftwave.node.deadline import Deadline
    from nftwave.node.facts import ServicePort
    from nftwave.node.host import Access

CHOOSE = {"off": 0, "canary": 1, "all": None}
"""How many nodes are measured, by policy.interruption_probe. A rolling restart has no canary and
does not say where it begins: there it is the first node by name, measured through the rollout."""


class Meters:
    """The measurements under way. Usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, Meter] = {}
        self._refused: dict[str, Interruption] = {}
        self._jumps = JumpHosts()

    def start(self, cluster: Cluster, nodes: Sequence[NodeView], target: ServicePort) -> None:
        """Begin on nodes, in parallel; one on which that is not possible is told as unmeasured.

        Args:
            target: the Service port to which a new connection is made ten times a second.
        """
        deadlines = cluster.policy.deadlines
        limit = deadlines.rollout + deadlines.verify + deadlines.probe
        accesses = {}
        for node in nodes:
            try:
                accesses[node.name] = access_to(cluster, node)
            except BadInput as error:
                self._refused[node.name] = Interruption(unmeasured=str(error))

        def begin(access: Access, deadline: Deadline) -> Meter:
            left = deadline.remaining()
            return Meter.start(access, target, limit=limit, deadline=left, jumps=self._jumps)

        for name, found in on_each(
            begin,
            accesses,
            workers=cluster.policy.parallelism,
            per_host_deadline=deadlines.probe,
            overall_deadline=deadlines.preflight,
        ):
            if isinstance(found, Unreachable):
                self._refused[name] = Interruption(unmeasured=found.what)
            else:
                self._running[name] = found

    def stop(self, node: str) -> Interruption | None:
        """End the measurement on a node; None where there was none."""
        with self._lock:
            meter, refused = self._running.pop(node, None), self._refused.pop(node, None)
        return meter.stop() if meter else refused

    def stop_all(self) -> dict[str, Interruption]:
        """End all that are still under way, by node."""
        with self._lock:
            running, self._running = self._running, {}
            refused, self._refused = self._refused, {}
        found = on_each(
            lambda meter, _: meter.stop(),
            running,
            workers=max(1, len(running)),
            per_host_deadline=60,
            overall_deadline=60,
        )
        told = {
            name: Interruption(unmeasured=one.what) if isinstance(one, Unreachable) else one
            for name, one in found
        }
        self._jumps.close()
        return refused | told
