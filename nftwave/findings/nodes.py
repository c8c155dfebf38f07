"""Rules on the nodes: what each probe and each Node object told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.findings.model import Sighting
from nftwave.node.facts import NodeFacts, Unknown
from nftwave.support import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.look import ClusterFacts


def probed(facts: ClusterFacts) -> Iterator[tuple[str, NodeFacts]]:
    """Nodes that answered, with their facts."""
    return ((n, p) for n, p in facts.probes.items() if isinstance(p, NodeFacts))


def unreachable(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that could not be asked: neither passed nor failed."""
    for name, probe in facts.probes.items():
        if isinstance(probe, Unreachable):
            yield Sighting(f"node {name}", probe.what)


def not_ready(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that the API calls NotReady."""
    for node in facts.targets:
        if not node.ready:
            yield Sighting(f"node {node.name}", "condition Ready is not True")


def kernel_too_old(facts: ClusterFacts) -> Iterable[Sighting]:
    """Kernels older than kube-proxy's nftables mode accepts.

    The kernel that answers over SSH counts; the Node object's is what the kubelet saw at its start.
    """
    least = Version.parse(facts.cluster.policy.thresholds.kernel)
    for node in facts.targets:
        probe = facts.probes.get(node.name)
        asked = probe.kernel if isinstance(probe, NodeFacts) else node.kernel
        release = asked if isinstance(asked, str) else node.kernel
        version = Version.parse(release)
        if version and least and version < least:
            yield Sighting(f"node {node.name}", f"kernel {release}, needed {least}")


def nft_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts without nft."""
    for name, probe in probed(facts):
        if probe.nft is None:
            yield Sighting(f"node {name}", "no nft in PATH, /usr/sbin or /sbin")


def nft_too_old(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts whose nft is older than the threshold."""
    least = Version.parse(facts.cluster.policy.thresholds.nft)
    for name, probe in probed(facts):
        version = Version.parse(probe.nft) if isinstance(probe.nft, str) else None
        if version and least and version < least:
            yield Sighting(f"node {name}", f"nft {probe.nft}, needed {least}")


def not_root(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes on which the probe does not run as root: nftables cannot be read there."""
    for name, probe in probed(facts):
        if isinstance(probe.uid, int) and probe.uid != 0:
            yield Sighting(f"node {name}", f"the probe ran as uid {probe.uid}")


def facts_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that answered, but did not tell what preflight has to know."""
    for name, probe in probed(facts):
        for field in ("kernel", "nft", "proxy_mode", "tables"):
            value = getattr(probe, field)
            if isinstance(value, Unknown) and not (field == "tables" and probe.nft is None):
                yield Sighting(f"node {name}", f"{field} unknown: {value.reason}")


def left_alone(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that a migration does not touch."""
    targets = {node.name for node in facts.targets}
    for node in facts.nodes:
        if node.name not in targets:
            system = node.operating_system or "unknown"
            why = "kube-proxy does not run here" if system == "linux" else f"system {system}"
            yield Sighting(f"node {node.name}", why)


def connections_cut(facts: ClusterFacts) -> Iterable[Sighting]:
    """Established connections that ipvs carries now."""
    counts = {
        name: probe.ipvs_connections.get("ESTABLISHED", 0)
        for name, probe in probed(facts)
        if not isinstance(probe.ipvs_connections, Unknown)
    }
    total = sum(counts.values())
    if total:
        most = max(counts, key=lambda name: counts[name])
        nodes = sum(1 for count in counts.values() if count)
        yield Sighting(f"{nodes} nodes", f"{total} established, most on {most}: {counts[most]}")
