"""Rules on kube-proxy itself: its configuration, its DaemonSet, its version."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.model import Sighting
from nftwave.proxyconfig import ProxyConfig, Unreadable, overridden_by
from nftwave.support import NFTABLES_GATE, Version, next_ipvs_milestone, nftables_stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.look import ClusterFacts

CONFIG = "ConfigMap kube-system/kube-proxy"
DAEMON_SET = "DaemonSet kube-system/kube-proxy"


def proxy_version(facts: ClusterFacts) -> Version | None:
    """Version of kube-proxy by its image's tag, None where the tag does not tell."""
    image = facts.daemon_set.image if facts.daemon_set else ""
    _, _, tag = image.partition("@")[0].rpartition(":")
    return Version.parse(tag) if tag and "/" not in tag else None


def mode(facts: ClusterFacts) -> str | None:
    """Mode that config.conf asks for; empty where it does not say; None where it is unreadable."""
    return facts.config.mode if isinstance(facts.config, ProxyConfig) else None


def config_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """No ConfigMap, or no config.conf in it."""
    if facts.config_map is None:
        yield Sighting(CONFIG, "does not exist")
    elif facts.config is None:
        keys = ", ".join(sorted(facts.config_map.get("data") or {})) or "none"
        yield Sighting(CONFIG, f"has no key config.conf (keys: {keys})")


def config_unreadable(facts: ClusterFacts) -> Iterable[Sighting]:
    """config.conf is not a KubeProxyConfiguration that can be read."""
    if isinstance(facts.config, Unreadable):
        yield Sighting(CONFIG, str(facts.config))


def config_overridden(facts: ClusterFacts) -> Iterable[Sighting]:
    """Flags on the command line that win over config.conf, or point elsewhere."""
    if facts.daemon_set:
        for reason in overridden_by(facts.daemon_set.command):
            yield Sighting(DAEMON_SET, reason)


def mode_not_ipvs(facts: ClusterFacts) -> Iterable[Sighting]:
    """A mode that this migration does not start from."""
    now = mode(facts)
    if now is not None and now not in ("ipvs", "nftables"):
        yield Sighting(CONFIG, f"mode: {now}" if now else "no mode set: kube-proxy uses iptables")


def mode_differs(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that run another mode than config.conf asks for."""
    from nftwave.node.facts import NodeFacts

    wanted = mode(facts)
    for name, probe in facts.probes.items():
        running = probe.proxy_mode if isinstance(probe, NodeFacts) else None
        if wanted and isinstance(running, str) and running != wanted:
            yield Sighting(f"node {name}", f"runs {running}, config.conf says {wanted}")


def version_unsupported(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy, or the API server, from before nftables mode."""
    server = Version.parse(facts.server_version)
    if server and nftables_stage(server) is None:
        yield Sighting("API server", facts.server_version)
    version = proxy_version(facts)
    if facts.daemon_set and version and nftables_stage(version) is None:
        yield Sighting(DAEMON_SET, f"image {facts.daemon_set.image}")


def gate_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """A kube-proxy whose nftables mode is behind a gate that is not set."""
    version = proxy_version(facts)
    stage = nftables_stage(version) if version else None
    if stage and stage.gate_needed and isinstance(facts.config, ProxyConfig):
        gates = facts.config.feature_gates
        if gates.get(NFTABLES_GATE) is not True:
            yield Sighting(CONFIG, f"kube-proxy {version}; featureGates: {dict(gates) or 'none'}")


def version_beta(facts: ClusterFacts) -> Iterable[Sighting]:
    """A kube-proxy whose nftables mode is not GA."""
    version = proxy_version(facts)
    stage = nftables_stage(version) if version else None
    if stage and stage.name != "GA":
        yield Sighting(DAEMON_SET, f"kube-proxy {version}: nftables mode is {stage.name}")


def version_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """An image whose tag does not tell a version."""
    if facts.daemon_set and proxy_version(facts) is None:
        yield Sighting(DAEMON_SET, f"image {facts.daemon_set.image}")


def version_skew(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy newer than the API server, or more than three minor releases older."""
    server, proxy = Version.parse(facts.server_version), proxy_version(facts)
    if server and proxy and not 0 <= server.minor - proxy.minor <= 3:
        yield Sighting(DAEMON_SET, f"kube-proxy {proxy}, API server {server}")


def daemon_set_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """No kube-proxy DaemonSet."""
    if facts.daemon_set is None:
        yield Sighting(DAEMON_SET, "does not exist")


def daemon_set_in_rollout(facts: ClusterFacts) -> Iterable[Sighting]:
    """A rollout under way, or the controller not up to date."""
    ds = facts.daemon_set
    if ds is None:
        return
    if ds.observed_generation < ds.generation:
        seen = f"generation {ds.generation}, its controller has seen {ds.observed_generation}"
        yield Sighting(DAEMON_SET, seen)
    elif ds.strategy == "RollingUpdate" and ds.updated < ds.desired:
        yield Sighting(DAEMON_SET, f"{ds.updated} of {ds.desired} pods have the current template")


def daemon_set_unhealthy(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy pods that are not available."""
    ds = facts.daemon_set
    if ds is None or ds.available >= ds.desired:
        return
    ill = [f"{p.node}: {p.state()}" for p in facts.pods if not p.ready or p.deleting]
    yield Sighting(
        DAEMON_SET, f"{ds.available} of {ds.desired} pods available; {', '.join(ill[:5])}"
    )


def daemon_set_on_delete(facts: ClusterFacts) -> Iterable[Sighting]:
    """An update strategy under which a restart replaces no pod."""
    on_delete = facts.daemon_set and facts.daemon_set.strategy == "OnDelete"
    if on_delete and not facts.held_by_us:
        yield Sighting(DAEMON_SET, "updateStrategy OnDelete")


def held_by_earlier_run(facts: ClusterFacts) -> Iterable[Sighting]:
    """A hold that an earlier run of this program left behind when it broke off."""
    if facts.held_by_us and facts.ledger:
        seen = f"updateStrategy OnDelete, set by a run that ended in phase {facts.ledger.phase}"
        yield Sighting(DAEMON_SET, seen)


def ipvs_ends(facts: ClusterFacts) -> Iterable[Sighting]:
    """The next step in the removal of ipvs, seen from this release."""
    server = Version.parse(facts.server_version)
    milestone = next_ipvs_milestone(server) if server and mode(facts) == "ipvs" else None
    if milestone:
        yield Sighting(
            f"Kubernetes {facts.server_version}",
            f"from {milestone.since} on {milestone.what} ({milestone.source})",
        )
