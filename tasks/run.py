"""One run on one cluster: what the steps pass on to each other.

A plain class on purpose: Prefect walks through dataclasses and models that are given to a task, to
look for futures in them; with the facts of 5,000 nodes that takes seconds.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nftwave import ledger
from nftwave.kube.connect import connect
from nftwave.outcome import Story
from tasks.artifacts import Artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.evidence import NodeVerdict
    from nftwave.fleet import Cluster
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.objects import ProxyPod
    from nftwave.ledger import Ledger
    from nftwave.lock import Lock
    from nftwave.look import ClusterFacts
    from nftwave.measuring import Meters
    from nftwave.plan import Plan


class Stopped(Exception):
    """Somebody asked the run to end; it ended between two nodes."""


class Run:
    """The state of one run, filled in step by step.

    Attributes:
        cluster: from the fleet file.
        gateway: its API server.
        story: what has been done, for the outcome.
        artifacts: what the Prefect UI shows.
        facts: from preflight on.
        looked_at: when they were read, by the monotonic clock.
        plan: from planning on.
        ledger: of an earlier run from preflight on, this run's from the patch on.
        successors: kube-proxy pods that replaced the old ones, by node; from the rollout on.
        verdicts: from verification on.
        meters: measurements of the interruption; from the rollout on, for strategy rolling.
        lock: on the cluster; from preflight on.
        begun: nodes in hand and the uid of the pod that is or was to be replaced there.
        flipped: verdicts of nodes that had their turn in this run.
        held: whether kube-proxy's DaemonSet is held; None where a change of that broke off.
        new_config: whether config.conf is the plan's new one; None likewise.
        stopping: set when the run is to end after the nodes in hand; `stopped_by` says by whom.
    """

    facts: ClusterFacts
    plan: Plan
    ledger: Ledger | None = None

    def __init__(self, cluster: Cluster, gateway: Gateway, called: str) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.story = Story(cluster.name, called)
        self.artifacts = Artifacts(cluster.name)
        self.looked_at = 0.0
        self.successors: dict[str, ProxyPod] = {}
        self.verdicts: Sequence[NodeVerdict] = ()
        self.meters: Meters | None = None
        self.lock: Lock | None = None
        self.begun: dict[str, str] = {}
        self.flipped: dict[str, NodeVerdict] = {}
        self.held: bool | None = False
        self.new_config: bool | None = False
        self.stopping = threading.Event()
        self.stopped_by = ""
        self.early: set[str] = set()
        """Nodes that somebody else changed out of turn."""
        self.told: set[str] = set()
        """Harmless drift that was told already."""
        self.asked = 0
        """How often a person was asked."""

    @classmethod
    def open(cls, cluster: Cluster, called: str = "") -> Run:
        """A run on a cluster; nothing is asked yet.

        Args:
            called: how a command names the cluster, such as `prod --fleet fleet.yaml`.
        """
        return cls(cluster, connect(cluster), called or cluster.name)

    def saw(self, facts: ClusterFacts) -> None:
        """Go on from these facts."""
        self.facts = facts
        self.ledger = facts.ledger
        self.looked_at = time.monotonic()
        after = facts.ledger.plan.get("config_after") if facts.ledger else None
        self.held, self.new_config = facts.held_by_us, facts.config_text == after
        if facts.ledger and facts.ledger.is_open:
            self.begun = dict(facts.ledger.flipping)

    def record(self, entry: Ledger) -> None:
        """Write the ledger into the cluster."""
        self.ledger = ledger.write(self.gateway, entry)

    def note(self, **changes: Any) -> None:
        """Write changes of the ledger's entry into the cluster, if it has one."""
        if self.ledger is not None:
            self.record(replace(self.ledger, **changes))

    def may_go_on(self) -> None:
        """Return where something may be changed now.

        Raises:
            Conflict: the lock was lost.
            Stopped: somebody asked the run to end.
        """
        self.stop_if_asked()
        if self.lock is not None:
            self.lock.check()

    @property
    def lock_lost(self) -> bool:
        """Whether another process may work on the cluster by now."""
        return self.lock is not None and self.lock.lost.is_set()

    def stop_if_asked(self) -> None:
        """End here where somebody asked for it.

        Raises:
            Stopped: says by whom.
        """
        if self.stopping.is_set():
            raise Stopped(self.stopped_by)

    @property
    def name(self) -> str:
        """The cluster's name, for names of task runs."""
        return self.cluster.name
