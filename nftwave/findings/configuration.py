"""Rules on config.conf: can it be edited, and may it be edited here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.kubeproxy import CONFIG, DAEMON_SET, mode, proxy_version
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.proxyconfig import NotEditable, ProxyConfig, Unreadable, overridden_by, to_nftables
from nftwave.support import NFTABLES_GATE, NFTABLES_STAGES_SOURCE, nftables_stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.clusterfacts import ClusterFacts

KNOWN_MODES = ("", "iptables", "ipvs", "nftables")


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


def config_not_editable(facts: ClusterFacts) -> Iterable[Sighting]:
    """config.conf is written in a way in which a field cannot be changed without its neighbours."""
    if not isinstance(facts.config, ProxyConfig):
        return
    reach = facts.cluster.policy.node_port_addresses
    try:
        to_nftables(facts.config_text, node_port_addresses=reach)
    except NotEditable as error:
        yield Sighting(CONFIG, str(error))


def config_overridden(facts: ClusterFacts) -> Iterable[Sighting]:
    """Flags on the command line that win over config.conf, or point elsewhere."""
    if facts.daemon_set:
        for reason in overridden_by(facts.daemon_set.command):
            yield Sighting(DAEMON_SET, reason)


def mode_iptables(facts: ClusterFacts) -> Iterable[Sighting]:
    """Mode iptables, which is also what no mode means."""
    now = mode(facts)
    if now == "iptables":
        yield Sighting(CONFIG, "mode: iptables")
    elif now == "":
        yield Sighting(CONFIG, "no mode is set, which means iptables on Linux")


def mode_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """A mode that kube-proxy on Linux does not know."""
    now = mode(facts)
    if now is not None and now not in KNOWN_MODES:
        yield Sighting(CONFIG, f"mode: {now}")


def gate_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """A kube-proxy whose nftables mode is behind a gate that is not set."""
    version = proxy_version(facts)
    stage = nftables_stage(version) if version else None
    if stage and stage.gate_needed and isinstance(facts.config, ProxyConfig):
        gates = facts.config.feature_gates
        if gates.get(NFTABLES_GATE) is not True:
            yield Sighting(CONFIG, f"kube-proxy {version}; featureGates: {dict(gates) or 'none'}")


RULES = (
    Rule(
        code="config-missing",
        severity=Severity.BLOCKER,
        looks_at="ConfigMap kube-system/kube-proxy, key config.conf",
        why="without it there is nothing to edit: kube-proxy is configured in another way",
        remedy="find out how kube-proxy is configured here; this program edits kubeadm's ConfigMap",
        source="Kubernetes source, cmd/kubeadm/app/phases/addons/proxy",
        judge=config_missing,
        firm="there is nothing to edit",
        always=True,
    ),
    Rule(
        code="config-unreadable",
        severity=Severity.BLOCKER,
        looks_at="config.conf as a KubeProxyConfiguration",
        why="what cannot be read for sure is not edited",
        remedy="mend config.conf (`kubectl -n kube-system edit cm kube-proxy`)",
        source="Kubernetes source, kubeproxy.config.k8s.io/v1alpha1",
        judge=config_unreadable,
        firm="what cannot be read is not edited",
        always=True,
    ),
    Rule(
        code="config-not-editable",
        severity=Severity.BLOCKER,
        looks_at="the places of config.conf that have to change",
        why="an edit in place would change more than is planned",
        remedy="write that place of config.conf out (no anchors or aliases), then check again",
        source="this program's rule: every other byte of the file is kept",
        judge=config_not_editable,
        firm="no plan can be made",
    ),
    Rule(
        code="config-overridden",
        severity=Severity.BLOCKER,
        looks_at="command line of the DaemonSet",
        why="flags that win over config.conf would keep the old mode",
        remedy="take these flags off the DaemonSet and put their values into config.conf",
        source="Kubernetes source, cmd/kube-proxy/app/options.go",
        judge=config_overridden,
    ),
    Rule(
        code="mode-iptables",
        severity=Severity.BLOCKER,
        looks_at="mode in config.conf",
        why="this migration starts from ipvs; iptables mode is not deprecated, and leaves other"
        " traces on a node than ipvs does",
        remedy="none is needed: leave the cluster as it is, and out of this migration",
        source="KEP-5495: it is ipvs that goes away",
        judge=mode_iptables,
        firm="another migration than this one",
    ),
    Rule(
        code="mode-unknown",
        severity=Severity.BLOCKER,
        looks_at="mode in config.conf",
        why="kube-proxy on Linux does not start with this mode, so the text is not what runs",
        remedy="see which mode the nodes run (`curl 127.0.0.1:10249/proxyMode`), mend config.conf",
        source="Kubernetes source, pkg/proxy/apis/config/validation",
        judge=mode_unknown,
        firm="it is not known what would be migrated",
        always=True,
    ),
    Rule(
        code="gate-missing",
        severity=Severity.BLOCKER,
        looks_at="featureGates in config.conf, for kube-proxy 1.29 and 1.30",
        why="alpha: kube-proxy refuses mode nftables unless the gate NFTablesProxyMode is set",
        remedy="upgrade to 1.31 or later, or set featureGates: {NFTablesProxyMode: true}",
        source=NFTABLES_STAGES_SOURCE,
        judge=gate_missing,
        firm="kube-proxy itself refuses",
    ),
)
