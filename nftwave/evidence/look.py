"""What a verdict is made from: one look at a node, and what has to be true of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from nftwave.node.facts import Family, NodeFacts, ServicePort, Unknown
from nftwave.serving.virtual import by_family

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nftwave.errors import Unreachable
    from nftwave.evidence.log import ProxyLog
    from nftwave.evidence.model import Mode
    from nftwave.kube.objects import ProxyPod
    from nftwave.node.facts import Labelled, VirtualServer
    from nftwave.serving.compare import Comparison
    from nftwave.serving.virtual import Ports

NOT_COMPARED = Unknown("the API's Services were not read")
SYNC_PER_SERVICE = 16 * 60 / 44_000
"""Seconds of the first sync for each Service port (kubernetes issue 139513: 16 min at 44,000)."""
LEAST_PATIENCE = 60.0
"""Seconds that a first sync may take however few Services there are (measured: 11 s)."""


@dataclass(frozen=True)
class Expected:
    """What has to be true of a node.

    Attributes:
        must_serve: Service ports that kube-proxy's rules, or in ipvs mode its virtual servers,
            must hold: the API server's.
        replaced_uid: uid of the pod that must be gone; None where no restart was asked for.
        silent_before: Service ports that did not answer from there before the change either.
        deadline: seconds that the node is given (policy.deadlines.verify); None: one look.
        mode: that it has to run; `ipvs` after a rollback.
    """

    must_serve: Sequence[ServicePort]
    replaced_uid: str | None = None
    silent_before: frozenset[ServicePort] = frozenset()
    deadline: float | None = None
    mode: Mode = "nftables"


@dataclass(frozen=True)
class Look:
    """One look at a node.

    Attributes:
        pod: the kube-proxy pod that the API server tells of; None where it tells of none.
        pod_is_old: the API server has not told of pods for a while: that may be of the past.
        log: None where the log could not be read.
        services: what the node holds (maps, or in ipvs mode virtual servers) beside the API's
            Services, by family.
        foreign: those of its virtual servers that no Service accounts for.
        reach: Service ports that must answer a connection from the node, and what they are called.
        cluster_ips: every ClusterIP that kube-proxy has to serve, and its Service.
    """

    facts: NodeFacts | Unreachable
    pod: ProxyPod | None
    log: ProxyLog | None
    services: Mapping[Family, Comparison] | Unknown = NOT_COMPARED
    foreign: tuple[VirtualServer, ...] | Unknown = NOT_COMPARED
    reach: Mapping[ServicePort, str] = field(default_factory=dict)
    cluster_ips: Mapping[str, str] | Unknown = NOT_COMPARED
    pod_is_old: bool = False


@dataclass(frozen=True)
class Seen:
    """A look at a node that answered, as the pieces of evidence read it.

    Attributes:
        first: an earlier look at the same container, None where this is the first.
        at: now, seconds since the epoch by this program's clock.
    """

    node: str
    facts: NodeFacts
    look: Look
    expected: Expected
    first: Look | None
    at: float

    @property
    def families(self) -> frozenset[Family]:
        """Families that have to be served.

        kube-proxy's own word where the log still has it. Else every family that `/healthz` or a
        metric names (each begins to name its own before the first sync, Kubernetes 1.36 source),
        and those of the Services that must be served.
        """
        if self.look.log and self.look.log.families:
            return self.look.log.families
        found: set[Family] = {family_of(port.address) for port in self.expected.must_serve}
        if not isinstance(self.facts.health, Unknown):
            found |= set(self.facts.health.families)
        for samples in (self.facts.last_sync, self.facts.last_queued):
            if not isinstance(samples, Unknown):
                found |= {family for family in samples if family != "any"}
        return frozenset(found)

    @cached_property
    def balanced(self) -> Ports | Unknown:
        """Service ports that have a virtual server, by family."""
        servers = self.facts.virtual_servers
        return servers if isinstance(servers, Unknown) else by_family(servers)

    @property
    def age(self) -> float | None:
        """Seconds since the container's start, by the node's clock where it told it."""
        started = self.look.pod.started if self.look.pod else None
        if started is None:
            return None
        clock = self.facts.clock
        return (self.at if isinstance(clock, Unknown) else clock) - started

    def still_syncing(self, family: Family) -> bool:
        """Whether kube-proxy tells that the first sync of a family is under way.

        It asked for it, and is young; how long it may take grows with the Services.
        """
        return self._syncing(family, untold=False)

    def may_be_syncing(self, family: Family) -> bool:
        """The same, and also where it does not tell: it may not serve its metrics yet."""
        return self._syncing(family, untold=True)

    def _syncing(self, family: Family, *, untold: bool) -> bool:
        if self.age is None or self.look.pod is None:
            return False
        synced = sample(self.facts.last_sync, family)
        queued = sample(self.facts.last_queued, family)
        began = self.look.pod.started or 0.0
        services = self.look.services
        ports = 0 if isinstance(services, Unknown) else services[family].expected
        patience = max(LEAST_PATIENCE, ports * SYNC_PER_SERVICE)
        if synced is None or queued is None:
            return untold and self.age < patience
        return synced < began and queued > synced and self.age < patience


def sample(samples: Mapping[Labelled, float] | Unknown, family: Family) -> float | None:
    """A metric of one family, or of kube-proxies that name none; 0 before there is one."""
    if isinstance(samples, Unknown):
        return None
    return samples.get(family, samples.get("any", 0.0))


def family_of(address: str) -> Family:
    """The family of an address."""
    return "ip6" if ":" in address else "ip"


def written(port: ServicePort) -> str:
    """As nft writes it: `10.96.0.1 . tcp . 443`."""
    return " . ".join(map(str, port))
