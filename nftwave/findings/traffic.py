"""Rules on what ipvs carries now: foreign servers, established connections, the first sync."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nftwave.findings.access import probed
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.foreign import strangers_on, written
from nftwave.node.facts import NodeFacts, ServicePort, Unknown
from nftwave.services import node_ports, owners
from nftwave.support import FIRST_SYNC_SOURCE, expected_first_sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.node.facts import VirtualServer

NAMED = 3
"""How many of a list are named; the rest is counted."""
SLOW_SYNC = 30.0
"""Seconds from which a first sync is worth a warning."""


def foreign_servers(facts: ClusterFacts) -> Iterable[Sighting]:
    """Virtual servers that no Service accounts for."""
    for name, servers in strangers_on(facts).items():
        told = ", ".join(written(one) for one in servers[:NAMED])
        more = f" and {len(servers) - NAMED} more" if len(servers) > NAMED else ""
        yield Sighting(f"node {name}", told + more)


def _stakes(facts: ClusterFacts) -> Iterator[tuple[str, int | None]]:
    """Established connections of each node that is still to change; None where unknown."""
    for node in facts.targets:
        probe = facts.probes.get(node.name)
        counts = probe.ipvs_connections if isinstance(probe, NodeFacts) else Unknown("")
        yield node.name, None if isinstance(counts, Unknown) else counts.get("ESTABLISHED", 0)


def connections_cut(facts: ClusterFacts) -> Iterable[Sighting]:
    """Established connections that ipvs carries now, by node and by Service."""
    stakes = dict(_stakes(facts))
    known = {name: count for name, count in stakes.items() if count}
    unknown = [name for name, count in stakes.items() if count is None]
    told = []
    if known:
        most = max(known, key=lambda name: known[name])
        told.append(f"{sum(known.values())} established, most on {most}: {known[most]}")
        told += _by_service(facts)
    if unknown:
        told.append(f"unknown on {_nodes(len(unknown))}, such as {unknown[0]}")
    if told:
        yield Sighting(_nodes(len(known) + len(unknown)), "; ".join(told))


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"


def _by_service(facts: ClusterFacts) -> Iterator[str]:
    """The Services with the most of them."""
    served, by_node_port = owners(facts.around.services), node_ports(facts.around.services)
    counts: Counter[str] = Counter()
    for _, probe in probed(facts):
        if not isinstance(probe.established, Unknown):
            for port, count in probe.established.items():
                service = served.get(port) or by_node_port.get((port.protocol, port.port))
                counts[str(service) if service else _port(port)] += count
    if counts:
        named = ", ".join(f"{name} {count}" for name, count in counts.most_common(NAMED))
        yield f"most through {named}"


def _port(port: ServicePort) -> str:
    return f"{port.protocol} {port.address}:{port.port}"


def slow_first_sync(facts: ClusterFacts) -> Iterable[Sighting]:
    """So many Services and endpoints that a node is without Services for long."""
    listed = _of_services(facts)
    servers, backends = len(listed), sum(len(one.backends) for one in listed)
    seconds = expected_first_sync(servers, backends)
    if seconds >= SLOW_SYNC:
        deadline = facts.cluster.policy.deadlines.verify
        yield Sighting(
            "each node",
            f"{servers} virtual servers with {backends} backends: a rough guess is {seconds:.0f} s"
            f" until the first sync ends; policy.deadlines.verify is {deadline:.0f} s;"
            f" largest: {_largest(facts, listed)}",
        )


def _of_services(facts: ClusterFacts) -> tuple[VirtualServer, ...]:
    """The fullest node's virtual servers but those of NodePorts, which repeat others by address."""
    told = (p.virtual_servers for _, p in probed(facts))
    known = (servers for servers in told if not isinstance(servers, Unknown))
    repeated = node_ports(facts.around.services)
    most: tuple[VirtualServer, ...] = max(known, key=len, default=())
    return tuple(one for one in most if (one.protocol, one.port) not in repeated)


def _largest(facts: ClusterFacts, listed: tuple[VirtualServer, ...]) -> str:
    """The Service with the most backends."""
    one = max(listed, key=lambda server: len(server.backends))
    port = ServicePort(one.address, one.protocol, one.port)
    found = owners(facts.around.services).get(port)
    return f"{found or written(one)} with {len(one.backends)}"


_MEASURED = "measured, kube-proxy 1.36.2 on Linux 6.1"

RULES = (
    Rule(
        code="foreign-ipvs",
        severity=Severity.BLOCKER,
        looks_at="/proc/net/ip_vs of each node, beside addresses, external addresses, load balancer"
        " addresses and NodePorts of all Services; looked at twice",
        why="kube-proxy flushes ipvs as a whole when it changes to nftables mode: these virtual"
        " servers would be gone, and excludeCIDRs does not protect them",
        remedy="find out who made them (keepalived, kube-vip, by hand) and move them elsewhere;"
        " or waive this where they may go",
        source=f"{_MEASURED}: one of 192.0.2.10:80 was gone after the change",
        judge=foreign_servers,
    ),
    Rule(
        code="connections-cut",
        severity=Severity.WARNING,
        looks_at="/proc/net/ip_vs_conn of each node",
        why="connections established through a ClusterIP do not survive the restart into nftables"
        " mode, and new ones fail for some seconds",
        remedy="choose a quiet hour, or drain nodes whose connections matter",
        source=f"{_MEASURED}: 5 of 6 black-holed, 1 reset; new ones failed for 9 to 29 s",
        judge=connections_cut,
    ),
    Rule(
        code="slow-first-sync",
        severity=Severity.WARNING,
        looks_at="virtual servers and their backends in /proc/net/ip_vs of the fullest node",
        why="ipvs is wiped when kube-proxy starts, and nftables rules are there only when its first"
        " sync ends: until then the node has no Services",
        remedy="raise policy.deadlines.verify above that time, drain nodes before their turn, and"
        " use the newest patch release of kube-proxy",
        source=FIRST_SYNC_SOURCE,
        judge=slow_first_sync,
    ),
)
