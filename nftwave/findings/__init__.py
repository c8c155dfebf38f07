"""Preflight's judgement: pure rules from facts to findings, listed in `catalogue.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Blocked
from nftwave.findings.catalogue import RULES
from nftwave.findings.folding import Fold, fold
from nftwave.findings.kubeproxy import migrated
from nftwave.findings.model import Finding, Rule, Severity, Sighting
from nftwave.findings.weighing import weigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.clusterfacts import ClusterFacts

__all__ = [
    "RULES",
    "Finding",
    "Fold",
    "Rule",
    "Severity",
    "Sighting",
    "fold",
    "judge",
    "refuse_blockers",
    "waivers",
]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings of a cluster, blockers first, otherwise in the catalogue's order.

    Where a permission is missing nothing else was read, so nothing else is judged. Where nothing is
    left to change, only what stands in the way of proving it is.
    """
    rules = [rule for rule in RULES if rule.always or not migrated(facts)]
    if facts.missing:
        rules = [rule for rule in RULES if rule.code == "permission-missing"]
    policy = facts.cluster.policy
    weighed = (weigh(rule, seen, policy) for rule in rules for seen in rule.judge(facts))
    order = list(Severity)
    found = (finding for finding in weighed if finding)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def waivers(findings: Sequence[Finding]) -> tuple[tuple[str, str], ...]:
    """The waivers of the policy that took effect, each (`code subject`, reason), in order."""
    return tuple(sorted({(f.waiver, f.waived) for f in findings if f.waiver}))


def refuse_blockers(cluster: str, findings: Sequence[Finding]) -> None:
    """End here where preflight found blockers.

    Raises:
        Blocked: names the first kinds of them, and the nodes of each.
    """
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    if not blockers:
        return
    folds = fold(blockers)
    named = "; ".join(f"{one.code}: {one.seen()}" for one in folds[:3])
    more = f"; and {len(folds) - 3} more kinds" if len(folds) > 3 else ""
    raise Blocked(
        f"preflight found {len(blockers)} blocker{'s' if len(blockers) > 1 else ''}: {named}{more}",
        cluster=cluster,
        unchanged="nothing was changed",
        next_step=blockers[0].remedy,
    )
