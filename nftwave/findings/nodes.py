"""Rules on the nodes: what each probe and each Node object told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.access import probed
from nftwave.findings.kubeproxy import proxy_version
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.node.facts import NodeFacts, Unknown
from nftwave.support import KERNEL, NEWER_SETS, NFT, NFT_UNUSABLE, Version, reads_newer_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts


def not_ready(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that the API calls NotReady."""
    for node in facts.targets:
        if not node.ready:
            yield Sighting(f"node {node.name}", "condition Ready is not True")


def _kernels(facts: ClusterFacts) -> Iterator[tuple[str, str, Version]]:
    """Kernel release of each node, as text and as numbers.

    The kernel that answers over SSH counts; the Node object's is what the kubelet saw at its start.
    """
    for node in facts.targets:
        probe = facts.probes.get(node.name)
        asked = probe.kernel if isinstance(probe, NodeFacts) else node.kernel
        release = asked if isinstance(asked, str) else node.kernel
        version = Version.parse(release)
        if version:
            yield node.name, release, version


def kernel_too_old(facts: ClusterFacts) -> Iterable[Sighting]:
    """Kernels on which kube-proxy's nftables mode refuses to run."""
    for name, release, version in _kernels(facts):
        if version < KERNEL.version:
            yield Sighting(f"node {name}", f"kernel {release}, needed {KERNEL.version}")


def kernel_below_policy(facts: ClusterFacts) -> Iterable[Sighting]:
    """Kernels on which kube-proxy would run, but which the policy does not want."""
    least = Version.parse(facts.cluster.policy.thresholds.kernel) or KERNEL.version
    for name, release, version in _kernels(facts):
        if KERNEL.version <= version < least:
            yield Sighting(f"node {name}", f"kernel {release}, policy.thresholds.kernel {least}")


def _nft(facts: ClusterFacts) -> Iterator[tuple[str, str, Version]]:
    for name, probe in probed(facts):
        version = Version.parse(probe.nft) if isinstance(probe.nft, str) else None
        if isinstance(probe.nft, str) and version:
            yield name, probe.nft, version


def nft_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts without nft."""
    for name, probe in probed(facts):
        if probe.nft is None:
            yield Sighting(f"node {name}", "no nft in PATH, /usr/sbin or /sbin")


def nft_too_old(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts whose nft is older than the threshold."""
    least = Version.parse(facts.cluster.policy.thresholds.nft)
    for name, told, version in _nft(facts):
        if least and version < least:
            yield Sighting(f"node {name}", f"nft {told}, needed {least}")


def nft_unusable(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts whose nft cannot bear kube-proxy's rules beside its own."""
    for name, told, version in _nft(facts):
        if version <= NFT_UNUSABLE.version:
            yield Sighting(f"node {name}", f"nft {told}")


def nft_newer_sets(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts whose nft is newer than the one in this kube-proxy's image can bear."""
    proxy = proxy_version(facts)
    if proxy is None or reads_newer_sets(proxy):
        return
    for name, told, version in _nft(facts):
        if version >= NEWER_SETS.version:
            yield Sighting(f"node {name}", f"nft {told} on the host, kube-proxy {proxy}")


def firewalls(facts: ClusterFacts) -> Iterable[Sighting]:
    """Hosts with a firewall of their own."""
    for name, probe in probed(facts):
        if not isinstance(probe.firewalls, Unknown) and probe.firewalls:
            yield Sighting(f"node {name}", f"active: {', '.join(sorted(probe.firewalls))}")


_MEASURED = "measured, kube-proxy 1.36.2 on Linux 6.1"

RULES = (
    Rule(
        code="node-not-ready",
        severity=Severity.BLOCKER,
        looks_at="condition Ready of each Node",
        why="its kube-proxy would not be replaced, and nothing on it can be proven",
        remedy="mend the node, or drain and remove it",
        source="Kubernetes documentation, Nodes",
        judge=not_ready,
        always=True,
    ),
    Rule(
        code="kernel-too-old",
        severity=Severity.BLOCKER,
        looks_at="kernel release of each node",
        why="kube-proxy wipes ipvs first and checks the kernel then: the node would lose its"
        " Services",
        remedy="upgrade the kernel, or take the node out",
        source=f"{KERNEL.source}; order of wipe and check: {_MEASURED}",
        judge=kernel_too_old,
        firm="kube-proxy itself refuses, after it has wiped ipvs",
    ),
    Rule(
        code="kernel-below-policy",
        severity=Severity.BLOCKER,
        looks_at="kernel release of each node, beside policy.thresholds.kernel",
        why="your own policy asks for more than kube-proxy does",
        remedy="upgrade the kernel, or lower policy.thresholds.kernel",
        source="the fleet file",
        judge=kernel_below_policy,
    ),
    Rule(
        code="nft-missing",
        severity=Severity.BLOCKER,
        looks_at="nft on each host",
        why="without it nobody can see on this node whether kube-proxy's rules are there",
        remedy="install the package nftables on the node",
        source="this program's rule: no node is called verified without its tables",
        judge=nft_missing,
        always=True,
    ),
    Rule(
        code="nft-too-old",
        severity=Severity.BLOCKER,
        looks_at="version of nft on each host, beside policy.thresholds.nft",
        why="such an nft reads all tables of the host whatever it is asked for, and may choke on"
        " kube-proxy's",
        remedy="install nftables 1.0.1 or later on the node",
        source=NFT.source,
        judge=nft_too_old,
    ),
    Rule(
        code="nft-unusable",
        severity=Severity.WARNING,
        looks_at="version of nft on each host",
        why="with kube-proxy's rules in the kernel this nft crashes whatever it is asked for: also"
        " the host's own firewall cannot be loaded any more",
        remedy="install nftables 1.0.1 or later on the node",
        source=NFT_UNUSABLE.source,
        judge=nft_unusable,
    ),
    Rule(
        code="nft-newer-sets",
        severity=Severity.BLOCKER,
        looks_at="version of nft on each host, beside the version of kube-proxy",
        why="where the host's own rules have sets (firewalld, nftables.conf), this kube-proxy's nft"
        " crashes on them: ipvs is wiped, and the first sync never ends",
        remedy="upgrade kube-proxy to 1.33.11, 1.34.7, 1.35.4 or 1.36; or see that"
        " `nft list sets` is empty on these nodes and waive this",
        source=NEWER_SETS.source,
        judge=nft_newer_sets,
    ),
    Rule(
        code="firewall-active",
        severity=Severity.WARNING,
        looks_at="firewalld, nftables.service and ufw on each host",
        why="`flush ruleset` (nftables.service, when it is started, stopped or reloaded) takes"
        " kube-proxy's tables with it; and traffic to Services is now forwarded, where under ipvs"
        " it was input, so other chains filter it",
        remedy="take `flush ruleset` out of /etc/nftables.conf; see that forwarding between pods,"
        " nodes and Services is allowed",
        source="KEP-3866; nftables 1.0 examples; Linux netfilter hooks",
        judge=firewalls,
    ),
)
