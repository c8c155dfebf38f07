"""`check` and `plan`: the facts of a cluster and the judgement on them, as rows and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nftwave import progress
from nftwave.errors import Unreachable
from nftwave.findings import Finding, Severity, judge
from nftwave.findings.kubeproxy import mode
from nftwave.look import ClusterFacts, look
from nftwave.node.facts import Unknown
from nftwave.outcome import counted
from nftwave.plan import is_done

if TYPE_CHECKING:
    from nftwave.fleet import Cluster
    from nftwave.kube.gateway import Gateway
    from nftwave.node.facts import NodeFacts


def look_and_judge(cluster: Cluster, gateway: Gateway) -> tuple[ClusterFacts, tuple[Finding, ...]]:
    """Facts and findings of a cluster; nothing is changed."""
    with progress.step("check", f"reading {cluster.name} and asking each node") as now:
        asked: list[str] = []

        def seen(node: str, what: str) -> None:
            asked.append(node)
            now.now(f"{len(asked)} nodes asked; last {node}: {what}")

        facts = look(cluster, gateway, seen=seen)
        findings = judge(facts)
        blockers = sum(f.severity is Severity.BLOCKER for f in findings)
        now.end(f"{counted(len(facts.probes), 'node')} asked; {counted(blockers, 'blocker')}")
    return facts, findings


def sentence(facts: ClusterFacts, findings: Sequence[Finding]) -> str:
    """What `check` found, in a sentence."""
    name = facts.cluster.name
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    if blockers:
        codes = ", ".join(dict.fromkeys(f.code for f in blockers))
        return f"{name} is blocked: {codes}. Nothing was changed."
    if is_done(facts):
        return f"{name} is in nftables mode already; `nftwave verify {name}` proves it."
    return f"{name} can be migrated: `nftwave plan {name}` shows what would change."


EACH = 20
"""Up to so many nodes have a row of their own."""
NAMED = 3


def node_rows(facts: ClusterFacts) -> list[dict[str, str]]:
    """A row a node, for a table; of many nodes those that told the same share one."""
    rows = _rows(facts)
    if len(rows) <= EACH:
        return rows
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        name, *told = row.values()
        alike.setdefault(tuple(told), []).append(name)
    columns = list(rows[0])[1:]
    return [
        {"node": _names(names), **dict(zip(columns, told, strict=True))}
        for told, names in sorted(alike.items(), key=lambda item: -len(item[1]))
    ]


def _names(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _rows(facts: ClusterFacts) -> list[dict[str, str]]:
    rows = []
    for node in facts.targets:
        probe = facts.probes.get(node.name)
        row = {"node": node.name, "kubelet": node.kubelet}
        if probe is None or isinstance(probe, Unreachable):
            why = probe.what if probe else "not asked"
            rows.append(row | {"runs": "unknown", "kernel": node.kernel, "nft": "", "ipvs": why})
        else:
            rows.append(row | _told(probe))
    return rows


def _told(probe: NodeFacts) -> dict[str, str]:
    servers = probe.virtual_servers
    count = "unknown" if isinstance(servers, Unknown) else f"{len(servers)} virtual servers"
    return {
        "runs": _text(probe.proxy_mode),
        "kernel": _text(probe.kernel),
        "nft": _text(probe.nft),
        "ipvs": count,
    }


def _text(value: object) -> str:
    if isinstance(value, Unknown):
        return f"unknown: {value.reason}"
    return "none" if value is None else str(value)


def as_data(facts: ClusterFacts, findings: Sequence[Finding]) -> dict[str, Any]:
    """For machines: findings, and what each node told."""
    return {
        "cluster": facts.cluster.name,
        "server": facts.server_version,
        "mode": mode(facts),
        "kube_proxy_image": facts.daemon_set.image if facts.daemon_set else None,
        "findings": [asdict(f) for f in findings],
        "nodes": {name: _probe_data(probe) for name, probe in sorted(facts.probes.items())},
    }


def _probe_data(probe: NodeFacts | Unreachable) -> dict[str, Any]:
    if isinstance(probe, Unreachable):
        return {"unreachable": probe.what}
    return asdict(probe)
