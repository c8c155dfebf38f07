"""One run on one cluster: what the steps pass on to each other.

A plain class on purpose: Prefect walks through dataclasses and models that are given to a task, to
look for futures in them; with the facts of 5,000 nodes that takes seconds.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

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
    from nftwave.look import ClusterFacts
    from nftwave.measuring import Meters
    from nftwave.plan import Plan


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
        meters: measurements of the interruption; from the rollout on.
    """

    facts: ClusterFacts
    plan: Plan
    ledger: Ledger | None = None

    def __init__(self, cluster: Cluster, gateway: Gateway) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.story = Story(cluster.name)
        self.artifacts = Artifacts(cluster.name)
        self.looked_at = 0.0
        self.successors: dict[str, ProxyPod] = {}
        self.verdicts: Sequence[NodeVerdict] = ()
        self.meters: Meters | None = None

    @classmethod
    def open(cls, cluster: Cluster) -> Run:
        """A run on a cluster; nothing is asked yet."""
        return cls(cluster, connect(cluster))

    def saw(self, facts: ClusterFacts) -> None:
        """Go on from these facts."""
        self.facts = facts
        self.ledger = facts.ledger
        self.looked_at = time.monotonic()

    def record(self, entry: Ledger) -> None:
        """Write the ledger into the cluster."""
        self.ledger = ledger.write(self.gateway, entry)

    @property
    def name(self) -> str:
        """The cluster's name, for names of task runs."""
        return self.cluster.name
