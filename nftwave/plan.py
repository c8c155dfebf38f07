"""What will be done to a cluster: worked out from facts, frozen, hashed, shown.

The hash binds an approval to what was shown. It covers what the plan does (the text before and
after, the nodes and where each starts from, the strategy) and the cluster it does it to; not the
resourceVersion, because a label put on the ConfigMap meanwhile is no other plan.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nftwave.batches import arrange, to_drain
from nftwave.errors import Blocked
from nftwave.findings import judge, kubeproxy, waivers
from nftwave.kube.daemonset import template_digest
from nftwave.node.facts import NodeFacts, Unknown
from nftwave.proxyconfig import Unreadable, render_diff, to_nftables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.ledger import Ledger
    from nftwave.look import ClusterFacts

SECONDS_PER_RESTART = 30.0
"""Expected seconds for one node's kube-proxy to end and to start again: a rough guess to be shown
as such, from the default grace period (30 s at most) and an image that is already on the node."""


@dataclass(frozen=True)
class ConfigChange:
    """One field of config.conf that changes, in words."""

    path: str
    before: str
    after: str
    why: str


@dataclass(frozen=True)
class NodePlan:
    """One node that will change: the pod that is replaced, and what is at stake."""

    name: str
    mode: str
    """Mode its kube-proxy runs now."""
    pod_uid: str
    """The pod that is to be replaced, as last seen; empty where that has been done."""
    established: int | None
    """Connections that ipvs carries now; None where that is unknown."""


@dataclass(frozen=True)
class Plan:
    """What will be done. Frozen: a change of any field that counts is another plan."""

    cluster: str
    cluster_uid: str
    strategy: str
    config_before: str
    config_after: str
    changes: tuple[ConfigChange, ...]
    notes: tuple[str, ...]
    """Fields that might have been changed and were not, and why."""
    nodes: tuple[NodePlan, ...]
    batches: tuple[tuple[str, ...], ...]
    """Names of nodes in the order of their turns, the canary first; empty for strategy rolling."""
    drained: tuple[str, ...]
    """Nodes that are drained before their turn."""
    kept: tuple[str, ...]
    """Nodes whose kube-proxy an earlier run has replaced: proven again, not restarted again. For
    strategy rolling; batches look at each node when its turn comes."""
    restarted_at: str
    """Restart annotation of an earlier run that this one goes on with; empty for a new restart."""
    image: str
    """kube-proxy's image."""
    server_version: str
    template: str
    """SHA-256 over the pods that the DaemonSet makes, as 64 hex digits."""
    waivers: tuple[tuple[str, str], ...]
    """What preflight would have held against it, and the policy's reason to go on: each
    (`code subject`, reason)."""
    strategy_restored: Mapping[str, Any]
    """updateStrategy that is in force during the restart and after it."""
    resource_version: str
    """resourceVersion of the ConfigMap that was read: the precondition of the change."""

    @property
    def hash(self) -> str:
        """SHA-256 over what the plan does, as 64 hex digits."""
        counts = self.as_record()
        text = json.dumps(counts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def short_hash(self) -> str:
        """The first 12 digits, for people."""
        return self.hash[:12]

    @property
    def diff(self) -> str:
        """Unified diff of config.conf; empty where it is already as wanted."""
        return render_diff(self.config_before, self.config_after)

    @property
    def edits_config(self) -> bool:
        """Whether config.conf has to change."""
        return self.config_before != self.config_after

    @property
    def established(self) -> int:
        """Connections through ipvs that are known to be at stake, on all nodes."""
        return sum(node.established or 0 for node in self.nodes)

    @property
    def unknown_stakes(self) -> int:
        """Nodes of which nobody knows how many connections are at stake."""
        return sum(node.established is None for node in self.nodes)

    @property
    def expected_seconds(self) -> float:
        """A rough guess of how long the restart takes, one node after the other."""
        return len(self.nodes) * SECONDS_PER_RESTART

    def as_record(self) -> dict[str, object]:
        """What the ledger keeps, and what the hash covers; small for thousands of nodes."""
        return {
            "cluster": self.cluster,
            "cluster_uid": self.cluster_uid,
            "strategy": self.strategy,
            "config_before": self.config_before,
            "config_after": self.config_after,
            # Not the pods' uids nor the connections: those move by themselves.
            "nodes": {node.name: node.mode for node in self.nodes},
            "batches": [list(batch) for batch in self.batches],
            "drained": list(self.drained),
            "kept": list(self.kept),
            "image": self.image,
            "server_version": self.server_version,
            "template": self.template,
            "waivers": [list(waiver) for waiver in self.waivers],
            "update_strategy": dict(self.strategy_restored),
        }

    def as_dict(self) -> dict[str, object]:
        """For JSON and YAML, with the hash."""
        return {**asdict(self), "hash": self.hash, "diff": self.diff}


def thaw(entry: Ledger, facts: ClusterFacts) -> Plan | None:
    """The plan that the ledger holds, with what moves by itself as it is now.

    None where the entry is not whole: then there is no plan to go on with.
    """
    record = entry.plan
    try:
        plan = Plan(
            cluster=record["cluster"],
            cluster_uid=record["cluster_uid"],
            strategy=record["strategy"],
            config_before=record["config_before"],
            config_after=record["config_after"],
            changes=(),
            notes=(),
            nodes=_node_plans(facts, record["nodes"]),
            batches=tuple(tuple(batch) for batch in record["batches"]),
            drained=tuple(record["drained"]),
            kept=tuple(record["kept"]),
            restarted_at=entry.restarted_at if goes_on(facts) else "",
            image=record["image"],
            server_version=record["server_version"],
            template=record["template"],
            waivers=tuple((what, why) for what, why in record["waivers"]),
            strategy_restored=record["update_strategy"],
            resource_version=_version(facts),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return plan if plan.hash == entry.plan_hash else None


def make_plan(facts: ClusterFacts) -> Plan:
    """The plan for a cluster whose preflight found no blocker.

    Raises:
        Blocked: config.conf cannot be edited safely.
    """
    policy = facts.cluster.policy
    before = facts.config_text
    try:
        edit = to_nftables(before, node_port_addresses=policy.node_port_addresses)
    except Unreadable as error:
        raise Blocked(
            f"config.conf cannot be edited safely: {error}",
            cluster=facts.cluster.name,
            unchanged="nothing was changed",
            next_step="edit that place by hand (`kubectl -n kube-system edit cm kube-proxy`),"
            " then run this again",
        ) from error
    strategy = _strategy_of(facts)
    earlier = facts.ledger if not edit.changes and goes_on(facts) else None
    kept = _replaced_already(facts) if earlier else frozenset()
    return Plan(
        cluster=facts.cluster.name,
        cluster_uid=facts.uid,
        strategy=strategy,
        config_before=before,
        config_after=edit.text,
        changes=tuple(ConfigChange(c.path, c.before, c.after, c.why) for c in edit.changes),
        notes=tuple(f"{n.path}: {n.value} is kept: {n.why}" for n in edit.notes),
        nodes=tuple(n for n in _node_plans(facts, _modes(facts)) if n.name not in kept),
        batches=arrange(facts.cluster, facts.targets) if strategy == "batches" else (),
        drained=to_drain(facts.targets, policy.drain) if strategy == "batches" else (),
        kept=tuple(sorted(kept)),
        restarted_at=earlier.restarted_at if earlier else "",
        image=facts.daemon_set.image if facts.daemon_set else "",
        server_version=facts.server_version,
        template=template_digest(facts.daemon_set) if facts.daemon_set else "",
        waivers=waivers(judge(facts)),
        strategy_restored=_strategy(facts),
        resource_version=_version(facts),
    )


def _strategy_of(facts: ClusterFacts) -> str:
    """The policy's, but for a migration that was begun in another way: it ends as it began."""
    if facts.ledger and facts.ledger.is_open and facts.ledger.plan.get("strategy") == "rolling":
        return "rolling"
    return facts.cluster.policy.strategy


def _version(facts: ClusterFacts) -> str:
    return str((facts.config_map or {}).get("metadata", {}).get("resourceVersion", ""))


def _node_plans(facts: ClusterFacts, modes: Mapping[str, str]) -> tuple[NodePlan, ...]:
    done = _replaced_already(facts) if goes_on(facts) else frozenset()
    pods = [pod for pod in facts.pods if not pod.deleting and pod.node not in done]
    uids = {pod.node: pod.uid for pod in pods}
    return tuple(
        NodePlan(
            name=name,
            mode=mode,
            pod_uid=uids.get(name, ""),
            established=_established(facts, name),
        )
        for name, mode in sorted(modes.items())
    )


def _modes(facts: ClusterFacts) -> dict[str, str]:
    return {node.name: running_mode(facts, node.name) or "unknown" for node in facts.targets}


def goes_on(facts: ClusterFacts) -> bool:
    """Whether an earlier run's restart is under way, and only has to be carried on.

    Not where a pod of the new template runs another mode: it started while config.conf said
    something else, and only another restart will change it.
    """
    restarted = bool(
        facts.ledger
        and facts.ledger.is_open
        and facts.ledger.restarted_at
        and facts.daemon_set
        and facts.daemon_set.restarted_at == facts.ledger.restarted_at
    )
    modes = {running_mode(facts, node) for node in _replaced_already(facts)}
    return restarted and modes <= {"nftables", None}


def _replaced_already(facts: ClusterFacts) -> frozenset[str]:
    """Nodes whose pod was made from the template that the earlier run restarted."""
    pods = [pod for pod in facts.pods if not pod.deleting]
    return frozenset(pod.node for pod in pods if pod.revision == facts.revision)


def _strategy(facts: ClusterFacts) -> Mapping[str, Any]:
    if facts.held_by_us and facts.ledger:
        return facts.ledger.original_strategy
    spec = facts.daemon_set.object["spec"] if facts.daemon_set else {}
    strategy: Mapping[str, Any] = spec.get("updateStrategy", {})
    return strategy


def running_mode(facts: ClusterFacts, node: str) -> str | None:
    """The mode that a node's kube-proxy says it runs; None where it does not tell."""
    probe = facts.probes.get(node)
    mode = probe.proxy_mode if isinstance(probe, NodeFacts) else None
    return mode if isinstance(mode, str) else None


def is_done(facts: ClusterFacts) -> bool:
    """Whether config.conf and every node that answers are in nftables mode already."""
    modes = [running_mode(facts, node.name) for node in facts.targets]
    in_config = kubeproxy.mode(facts) == "nftables" and not facts.held_by_us
    return in_config and bool(modes) and all(mode == "nftables" for mode in modes)


def _established(facts: ClusterFacts, node: str) -> int | None:
    probe = facts.probes.get(node)
    counts: Mapping[str, int] | Unknown | None = (
        probe.ipvs_connections if isinstance(probe, NodeFacts) else None
    )
    if counts is None or isinstance(counts, Unknown):
        return None
    return counts.get("ESTABLISHED", 0)
