"""Rules on other networking: Calico, CNIs that replace kube-proxy, NodeLocal DNSCache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.findings.kubeproxy import image_version
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.support import CALICO, CALICO_FOLLOWS, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.surroundings import Agent, Surroundings

CALICO_NODE = "calico-node"


def calico_version(facts: ClusterFacts) -> tuple[str, str] | None:
    """Calico's version, and where that was read; None where Calico is not installed."""
    around = facts.around
    told = str(around.calico.information.get("calicoVersion") or "")
    if told:
        return told, "ClusterInformation default"
    agent = around.agent(CALICO_NODE)
    images = [image for image in agent.images if "calico/node" in image] if agent else []
    if agent:
        return (images or ["no image calico/node"])[0], str(agent)
    return None


def _calico(facts: ClusterFacts) -> tuple[Version | None, str, str]:
    told, where = calico_version(facts) or ("", "")
    version = image_version(told) if ":" in told else Version.parse(told)
    return version, told, where


def calico_too_old(facts: ClusterFacts) -> Iterable[Sighting]:
    """A Calico that has no nftables dataplane."""
    version, told, where = _calico(facts)
    if version and version < CALICO.version:
        yield Sighting(where, f"Calico {told}, needed {CALICO.version}")


def calico_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """A Calico that does not tell its version."""
    version, told, where = _calico(facts)
    if where and version is None:
        yield Sighting(where, told)


def calico_ebpf(facts: ClusterFacts) -> Iterable[Sighting]:
    """Calico's eBPF dataplane, which serves Services itself."""
    calico, agent = facts.around.calico, facts.around.agent(CALICO_NODE)
    network = calico.installation.get("calicoNetwork") or {}
    if calico.felix.get("bpfEnabled") is True:
        yield Sighting("FelixConfiguration default", "bpfEnabled: true")
    elif network.get("linuxDataplane") == "BPF":
        yield Sighting("Installation default", "linuxDataplane: BPF")
    elif agent and agent.environment.get("FELIX_BPFENABLED", "").lower() == "true":
        yield Sighting(str(agent), "FELIX_BPFENABLED=true")


def calico_moves(facts: ClusterFacts) -> Iterable[Sighting]:
    """A Calico that has to move to nftables too, and when."""
    version, told, where = _calico(facts)
    if not version or version < CALICO.version:
        return
    calico = facts.around.calico
    follows = version >= CALICO_FOLLOWS.version
    if _moves_by_itself(facts, follows=follows):
        return
    when = (
        "set it before kube-proxy changes: each node then follows its own kube-proxy"
        if follows
        else "set it after the last node: all felix pods restart at about the same time"
    )
    how = (
        "Installation default: linuxDataplane: Nftables"
        if calico.installation
        else f"{FELIX_MODE} on calico-node, which outweighs FelixConfiguration"
        if _felix_environment(facts)
        else f"FelixConfiguration default: nftablesMode: {'Auto' if follows else 'Enabled'}"
    )
    yield Sighting(where, f"Calico {told}; {how}; {when}")


FELIX_MODE = "FELIX_NFTABLESMODE"


def _felix_environment(facts: ClusterFacts) -> str:
    agent = facts.around.agent(CALICO_NODE)
    return agent.environment.get(FELIX_MODE, "") if agent else ""


def _moves_by_itself(facts: ClusterFacts, *, follows: bool) -> bool:
    """Whether felix runs nftables already, or will when its node's kube-proxy does.

    What its environment says wins over FelixConfiguration. Auto follows kube-proxy only from
    `CALICO_FOLLOWS` on, and Disabled never does.
    """
    calico = facts.around.calico
    network = calico.installation.get("calicoNetwork") or {}
    mode = _felix_environment(facts) or str(calico.felix.get("nftablesMode") or "")
    if not mode:
        return network.get("linuxDataplane") == "Nftables"
    return mode.lower() == "enabled" or (mode.lower() == "auto" and follows)


@dataclass(frozen=True, slots=True)
class Replacement:
    """A CNI that can serve Services in kube-proxy's place.

    `evidence` says what shows that it does; empty where it does not.
    """

    name: str
    daemon_sets: tuple[str, ...]
    evidence: Callable[[Agent, Surroundings], str]
    source: str


def _cilium(_: Agent, around: Surroundings) -> str:
    told = around.cilium.get("kube-proxy-replacement", "")
    # Before 1.14 the values were strict, probe and partial.
    return (
        f"kube-proxy-replacement: {told}" if told in ("true", "strict", "probe", "partial") else ""
    )


def _kube_router(agent: Agent, _: Surroundings) -> str:
    flags = [part for part in agent.arguments if part.startswith("--run-service-proxy")]
    off = any(flag.endswith("=false") for flag in flags)
    return "" if off else (flags or ["--run-service-proxy is true unless set"])[0]


def _always(agent: Agent, _: Surroundings) -> str:
    return f"{agent.name} serves Services itself"


REPLACEMENTS = (
    Replacement("Cilium", ("cilium",), _cilium, "Cilium documentation, kube-proxy-free"),
    Replacement(
        "kube-router", ("kube-router",), _kube_router, "kube-router documentation, user guide"
    ),
    Replacement(
        "OVN-Kubernetes", ("ovnkube-node",), _always, "OVN-Kubernetes documentation, architecture"
    ),
)


def replaced(facts: ClusterFacts) -> Iterable[Sighting]:
    """Another CNI that serves Services beside kube-proxy."""
    for one in REPLACEMENTS:
        agent = facts.around.agent(*one.daemon_sets)
        told = one.evidence(agent, facts.around) if agent else ""
        if agent and told:
            yield Sighting(str(agent), f"{one.name}: {told} ({one.source})")


DNS_CACHES = ("node-local-dns", "nodelocaldns")


def dns_cache(facts: ClusterFacts) -> Iterator[Sighting]:
    """NodeLocal DNSCache, which was set up for ipvs."""
    agent = facts.around.agent(*DNS_CACHES)
    if agent:
        yield Sighting(str(agent), "runs on the nodes")


RULES = (
    Rule(
        code="calico-too-old",
        severity=Severity.BLOCKER,
        looks_at="calicoVersion in ClusterInformation default, else the image of calico-node",
        why="this Calico knows iptables and ipvs only; beside kube-proxy's nftables its policies"
        " are not tested, and may not hold",
        remedy="upgrade Calico to 3.31 or later first (3.29 and 3.30: preview)",
        source=CALICO.source,
        judge=calico_too_old,
    ),
    Rule(
        code="calico-unknown",
        severity=Severity.WARNING,
        looks_at="calicoVersion in ClusterInformation default, else the image of calico-node",
        why="Calico has to move to nftables too, in an order that depends on its version",
        remedy="see which version it is: 3.29 or later is needed",
        source=CALICO.source,
        judge=calico_unknown,
    ),
    Rule(
        code="calico-ebpf",
        severity=Severity.BLOCKER,
        looks_at="bpfEnabled in FelixConfiguration, linuxDataplane in Installation, calico-node",
        why="Services are served by eBPF and not by kube-proxy, so its mode must not matter; a"
        " kube-proxy that still runs beside it is a mistake of its own",
        remedy="take kube-proxy away as Calico's documentation says, and this cluster out of the"
        " migration",
        source="Calico documentation, eBPF dataplane; Calico issue 12476",
        judge=calico_ebpf,
    ),
    Rule(
        code="calico-moves-too",
        severity=Severity.WARNING,
        looks_at="Calico's version and dataplane",
        why="Calico's own dataplane has to move to nftables too; this run leaves it as it is",
        remedy="change it as the evidence says, in that order",
        source=CALICO_FOLLOWS.source,
        judge=calico_moves,
    ),
    Rule(
        code="cni-replaces-kube-proxy",
        severity=Severity.BLOCKER,
        looks_at="DaemonSets of all namespaces; ConfigMap kube-system/cilium-config",
        why="two programs serve the same Services; which one a packet meets may change with the"
        " mode",
        remedy="decide for one of them first; where it is the other one, take kube-proxy away",
        source="documentation of each of them",
        judge=replaced,
    ),
    Rule(
        code="node-local-dns",
        severity=Severity.NOTE,
        looks_at="DaemonSets node-local-dns and nodelocaldns",
        why="under ipvs it can listen on its link-local address only, and kubelets name that"
        " address to pods; this goes on to work in nftables mode",
        remedy="none",
        source="Kubernetes documentation, NodeLocal DNSCache",
        judge=dns_cache,
    ),
)
