"""Rules on whether this program can do its work here: permissions, targets, reach of the nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.node.facts import NodeFacts, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts


def probed(facts: ClusterFacts) -> Iterator[tuple[str, NodeFacts]]:
    """Nodes that answered, with their facts."""
    return ((n, p) for n, p in facts.probes.items() if isinstance(p, NodeFacts))


def permission_missing(facts: ClusterFacts) -> Iterable[Sighting]:
    """Everything that the credentials do not allow, at once."""
    if facts.missing:
        yield Sighting("credentials", f"may not: {'; '.join(map(str, facts.missing))}")


def no_targets(facts: ClusterFacts) -> Iterable[Sighting]:
    """No node that a migration would change."""
    if not facts.targets and not facts.missing:
        pods, linux = len(facts.pods), sum(n.operating_system == "linux" for n in facts.nodes)
        seen = f"none on {linux} Linux nodes; {pods} pods carry the label k8s-app=kube-proxy"
        yield Sighting("kube-proxy pods", seen)


def unreachable(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that could not be asked: neither passed nor failed."""
    for name, probe in facts.probes.items():
        if isinstance(probe, Unreachable):
            yield Sighting(f"node {name}", probe.what)


def not_root(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes on which the probe does not run as root: nftables cannot be read there."""
    for name, probe in probed(facts):
        if isinstance(probe.uid, int) and probe.uid != 0:
            yield Sighting(f"node {name}", f"the probe ran as uid {probe.uid}")


EXEC_BLIND = ("nft", "proxy_mode", "virtual_servers")
"""Facts that no exec in kube-proxy's pod can tell (nftwave/podprobe.py has them all)."""


def facts_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that answered, but did not tell what preflight has to know.

    Where an earlier run has replaced kube-proxy and not proven it, this run asks for the mode again
    when it is the node's turn: that it does not tell now is no reason to leave it so.
    """
    blind = EXEC_BLIND if facts.cluster.access == "exec" else ()
    for name, probe in probed(facts):
        for field in ("kernel", "nft", "proxy_mode", "tables", "virtual_servers"):
            if field in blind or (field == "proxy_mode" and name in facts.in_hand):
                continue
            value = getattr(probe, field)
            if isinstance(value, Unknown) and not (field == "tables" and probe.nft is None):
                yield Sighting(f"node {name}", f"{field} unknown: {value.reason}")


def exec_sees_less(facts: ClusterFacts) -> Iterable[Sighting]:
    """A cluster whose nodes are looked at without SSH."""
    if facts.cluster.access == "exec":
        nodes = len(facts.targets)
        yield Sighting(
            f"{nodes} node{'' if nodes == 1 else 's'}",
            "access exec; not seen: ipvs, /proxyMode and metrics, connections from the node, and"
            " the host's nft and firewalls",
        )


def exec_in_batches(facts: ClusterFacts) -> Iterable[Sighting]:
    """A strategy that needs proof, with an access that gives none."""
    if facts.cluster.access == "exec" and facts.cluster.policy.strategy == "batches":
        yield Sighting("fleet file", "access exec with strategy batches")


def left_alone(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that a migration does not touch."""
    targets = {node.name for node in facts.targets}
    for node in facts.nodes:
        if node.name not in targets:
            system = node.operating_system or "unknown"
            why = "kube-proxy does not run here" if system == "linux" else f"system {system}"
            yield Sighting(f"node {node.name}", why)


RULES = (
    Rule(
        code="permission-missing",
        severity=Severity.BLOCKER,
        looks_at="SelfSubjectAccessReviews, one for every verb that a migration uses",
        why="a run would stop half-way, where it first is refused",
        remedy="bind the rules of deployments/rbac.yaml to the identity of this kubeconfig; with"
        " access exec those of rbac-exec.yaml too, with drain those of rbac-drain.yaml",
        source="Kubernetes documentation, Authorization",
        judge=permission_missing,
        firm="nothing can be read or changed without it",
        always=True,
    ),
    Rule(
        code="no-targets",
        severity=Severity.BLOCKER,
        looks_at="pods with the label k8s-app=kube-proxy in kube-system, on Linux nodes",
        why="there is no node to migrate, and an empty cluster must not pass as a proven one",
        remedy="see what runs kube-proxy here; this program looks for kubeadm's label",
        source="Kubernetes source, cmd/kubeadm/app/phases/addons/proxy",
        judge=no_targets,
        firm="nothing would be done, and nothing proven",
        always=True,
    ),
    Rule(
        code="node-unreachable",
        severity=Severity.BLOCKER,
        looks_at="an SSH connection to each node",
        why="a node that cannot be asked can neither be judged before nor proven after",
        remedy="mend the access (`ssh` to the node with the fleet file's settings),"
        " or take the node out",
        source="this program's rule: unreachable is neither passed nor failed",
        judge=unreachable,
        firm="nothing is known of the node",
        always=True,
    ),
    Rule(
        code="probe-not-root",
        severity=Severity.BLOCKER,
        looks_at="user that the probe runs as",
        why="nftables can be read by root only, so this node could never be proven",
        remedy="set ssh.sudo: true with passwordless sudo, or ssh.user: root",
        source="nftables: CAP_NET_ADMIN",
        judge=not_root,
        firm="the node could never be proven",
        always=True,
    ),
    Rule(
        code="facts-unknown",
        severity=Severity.BLOCKER,
        looks_at="answers of the probe",
        why="what is unknown before cannot be compared after",
        remedy="run `nftwave check CLUSTER -o yaml` and see the reason; often a missing tool or"
        " sudo rule",
        source="this program's rule: unknown is never passed",
        judge=facts_unknown,
        firm="unknown is never passed",
        always=True,
    ),
    Rule(
        code="exec-sees-less",
        severity=Severity.WARNING,
        looks_at="field `access` of the cluster in the fleet file",
        why="by exec neither ipvs nor the host is seen: virtual servers of keepalived or kube-vip"
        " would be wiped unseen, and no node can be called verified afterwards",
        remedy="use access ssh; or look at those on each node by hand before and after",
        source="nftwave/podprobe.py tells fact by fact what kube-proxy's image can show",
        judge=exec_sees_less,
    ),
    Rule(
        code="exec-in-batches",
        severity=Severity.BLOCKER,
        looks_at="fields `access` and `policy.strategy` of the fleet file",
        why="each batch has to be proven before the next, and by exec no node can be",
        remedy="use access ssh; or strategy rolling, which restarts all and tells what is known",
        source="nftwave/podprobe.py tells fact by fact what kube-proxy's image can show",
        judge=exec_in_batches,
        firm="the canary could not be proven, and would be taken back",
    ),
    Rule(
        code="node-left-alone",
        severity=Severity.NOTE,
        looks_at="nodes without a kube-proxy pod, and nodes that are not Linux",
        why="the migration does not touch them",
        remedy="none",
        source="Kubernetes documentation: nftables mode is for Linux",
        judge=left_alone,
        always=True,
    ),
)
