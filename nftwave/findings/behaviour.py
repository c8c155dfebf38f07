"""Rules on settings of ipvs mode that nftables mode has not, or means otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.access import probed
from nftwave.findings.kubeproxy import CONFIG, mode
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.proxyconfig import ProxyConfig, Unreadable, to_nftables
from nftwave.services import node_ports
from nftwave.support import KERNEL_CONNTRACK, Version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.proxyconfig import Edit

UNSET_TIMEOUTS = ("", "0", "0s", "0m0s")
"""A timeout that leaves the kernel's own in force."""


def _config(facts: ClusterFacts) -> ProxyConfig | None:
    """config.conf where it can be read and says ipvs."""
    in_ipvs = isinstance(facts.config, ProxyConfig) and facts.config.mode == "ipvs"
    return facts.config if in_ipvs and isinstance(facts.config, ProxyConfig) else None


def _edit(facts: ClusterFacts) -> Edit | None:
    if not _config(facts):
        return None
    reach = facts.cluster.policy.node_port_addresses
    try:
        return to_nftables(facts.config_text, node_port_addresses=reach)
    except Unreadable:
        return None


def node_port_reach(facts: ClusterFacts) -> Iterable[Sighting]:
    """NodePorts that will answer on fewer addresses than under ipvs."""
    config = _config(facts)
    narrower = facts.cluster.policy.node_port_addresses == "primary"
    if config and narrower and not config.node_port_addresses:
        ports = node_ports(facts.around.services)
        if ports:
            named = ", ".join(sorted({str(service) for service in ports.values()})[:3])
            yield Sighting(
                CONFIG,
                f"nodePortAddresses unset, policy.node_port_addresses primary;"
                f" {len(ports)} NodePorts, of {named}",
            )


def masquerade(facts: ClusterFacts) -> Iterable[Sighting]:
    """Source NAT settings that ipvs takes from the iptables block, and nftables from its own."""
    edit = _edit(facts)
    for change in edit.changes if edit else ():
        if change.path.startswith("nftables.masquerade"):
            yield Sighting(CONFIG, f"{change.path}: {change.before} becomes {change.after}")
    for note in edit.notes if edit else ():
        if note.path.startswith("nftables.masquerade"):
            yield Sighting(CONFIG, f"{note.path} stays {note.value}: {note.why}")


def scheduler(facts: ClusterFacts) -> Iterable[Sighting]:
    """An ipvs scheduler that was chosen."""
    config = _config(facts)
    if config and config.ipvs.scheduler not in ("", "rr"):
        yield Sighting(CONFIG, f"ipvs.scheduler: {config.ipvs.scheduler}")


def timeouts(facts: ClusterFacts) -> Iterable[Sighting]:
    """Timeouts of ipvs connections that were chosen."""
    config = _config(facts)
    if config:
        chosen = {
            "tcpTimeout": config.ipvs.tcp_timeout,
            "tcpFinTimeout": config.ipvs.tcp_fin_timeout,
            "udpTimeout": config.ipvs.udp_timeout,
        }
        told = [f"ipvs.{k}: {v}" for k, v in chosen.items() if v not in UNSET_TIMEOUTS]
        if told:
            yield Sighting(CONFIG, ", ".join(told))


def exclude_cidrs(facts: ClusterFacts) -> Iterable[Sighting]:
    """Addresses that kube-proxy was told to leave alone in ipvs."""
    config = _config(facts)
    if config and config.ipvs.exclude_cidrs:
        yield Sighting(CONFIG, f"ipvs.excludeCIDRs: {', '.join(config.ipvs.exclude_cidrs)}")


def tcp_be_liberal(facts: ClusterFacts) -> Iterable[Sighting]:
    """Kernels that may reset long-lived connections, without the setting that prevents it."""
    if not isinstance(facts.config, ProxyConfig) or facts.config.tcp_be_liberal:
        return
    for name, probe in probed(facts):
        version = Version.parse(probe.kernel) if isinstance(probe.kernel, str) else None
        if version and version < KERNEL_CONNTRACK.version:
            yield Sighting(f"node {name}", f"kernel {probe.kernel}; conntrack.tcpBeLiberal unset")


def strict_arp(facts: ClusterFacts) -> Iterable[Sighting]:
    """strictARP, and MetalLB, for which it mostly was set."""
    config = _config(facts)
    if config and config.ipvs.strict_arp:
        balancer = next(
            (one for one in facts.around.agents if any("metallb" in i for i in one.images)), None
        )
        yield Sighting(CONFIG, "ipvs.strictARP: true" + (f", for {balancer}" if balancer else ""))


def local_node_ports(facts: ClusterFacts) -> Iterable[Sighting]:
    """NodePorts, which do not answer on 127.0.0.1."""
    ports = node_ports(facts.around.services) if mode(facts) == "ipvs" else {}
    if ports:
        yield Sighting("NodePorts", f"{len(ports)} in the cluster")


def cluster_ip_ping(facts: ClusterFacts) -> Iterable[Sighting]:
    """ClusterIPs, which ipvs keeps on an interface of the node."""
    if mode(facts) == "ipvs":
        yield Sighting("ClusterIPs", "answer ping now, because kube-ipvs0 holds them")


_NO_EQUAL = "Kubernetes 1.36 source, pkg/proxy/nftables"
_VIRTUAL_IPS = "Kubernetes documentation, Virtual IPs and Service Proxies"

RULES = (
    Rule(
        code="nodeport-reach",
        severity=Severity.WARNING,
        looks_at="nodePortAddresses in config.conf beside policy.node_port_addresses",
        why="under ipvs a NodePort answers on every address of a node, after the change on its"
        " primary addresses only",
        remedy="make sure that load balancers use the primary addresses,"
        " or set policy.node_port_addresses: keep-reach",
        source="Kubernetes 1.36 source, pkg/proxy/nftables and pkg/proxy/util",
        judge=node_port_reach,
    ),
    Rule(
        code="masquerade-carried",
        severity=Severity.WARNING,
        looks_at="iptables.masquerade* and nftables.masquerade* in config.conf",
        why="ipvs takes source NAT from the iptables block, nftables from its own: where the two"
        " differ, source addresses would change",
        remedy="read the lines of the diff; set nftables.masquerade* by hand if you want others",
        source="Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1/conversion.go",
        judge=masquerade,
    ),
    Rule(
        code="scheduler-lost",
        severity=Severity.WARNING,
        looks_at="ipvs.scheduler in config.conf",
        why="nftables mode picks an endpoint at random for each connection; there is no scheduler",
        remedy="see whether a workload relies on it: sessionAffinity ClientIP works in nftables",
        source=_NO_EQUAL,
        judge=scheduler,
    ),
    Rule(
        code="ipvs-timeouts",
        severity=Severity.WARNING,
        looks_at="ipvs.tcpTimeout, tcpFinTimeout and udpTimeout in config.conf",
        why="they have no equal: in nftables mode conntrack's own timeouts hold",
        remedy="set the conntrack block of config.conf, or net.netfilter.nf_conntrack_* by sysctl",
        source=_NO_EQUAL,
        judge=timeouts,
    ),
    Rule(
        code="exclude-cidrs",
        severity=Severity.WARNING,
        looks_at="ipvs.excludeCIDRs in config.conf",
        why="it does not protect anything from the change: kube-proxy flushes ipvs as a whole",
        remedy="move what serves these addresses elsewhere first",
        source="Kubernetes 1.36 source, pkg/proxy/ipvs; measured, kube-proxy 1.36.2 on Linux 6.1",
        judge=exclude_cidrs,
    ),
    Rule(
        code="conntrack-resets",
        severity=Severity.WARNING,
        looks_at="kernel release of each node, beside conntrack.tcpBeLiberal in config.conf",
        why="such a kernel may answer packets of long-lived connections with a reset",
        remedy="set conntrack.tcpBeLiberal: true in config.conf, or upgrade the kernel to 6.1",
        source=KERNEL_CONNTRACK.source,
        judge=tcp_be_liberal,
    ),
    Rule(
        code="strict-arp",
        severity=Severity.NOTE,
        looks_at="ipvs.strictARP in config.conf",
        why="it kept nodes from answering ARP for addresses on kube-ipvs0; that interface goes"
        " away, and so does the need (also MetalLB's in layer 2 mode)",
        remedy="none",
        source="MetalLB documentation, Installation",
        judge=strict_arp,
    ),
    Rule(
        code="localhost-nodeports",
        severity=Severity.NOTE,
        looks_at="Services with NodePorts",
        why="nftables mode does not answer NodePorts on 127.0.0.1; neither did ipvs",
        remedy="none",
        source=_VIRTUAL_IPS,
        judge=local_node_ports,
    ),
    Rule(
        code="clusterip-ping",
        severity=Severity.NOTE,
        looks_at="mode in config.conf",
        why="ClusterIPs do not answer ping any more",
        remedy="let monitoring connect to the Service's port",
        source=_VIRTUAL_IPS,
        judge=cluster_ip_ping,
    ),
)
