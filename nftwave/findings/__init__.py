"""Preflight's judgement: pure rules from facts to findings, listed in `catalogue.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Blocked
from nftwave.findings.catalogue import RULES
from nftwave.findings.model import Finding, Rule, Severity, Sighting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.look import ClusterFacts

__all__ = ["RULES", "Finding", "Rule", "Severity", "Sighting", "judge", "refuse_blockers"]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings of a cluster, blockers first, otherwise in the catalogue's order."""
    found = [
        Finding(r.code, r.severity, s.subject, s.evidence, r.why, r.remedy, r.source)
        for r in RULES
        for s in r.judge(facts)
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def refuse_blockers(cluster: str, findings: Sequence[Finding]) -> None:
    """End here where preflight found blockers.

    Raises:
        Blocked: names the first ones.
    """
    blockers = [f for f in findings if f.severity is Severity.BLOCKER]
    if not blockers:
        return
    named = "; ".join(f"{f.code}: {f.subject}: {f.evidence}" for f in blockers[:3])
    more = f"; and {len(blockers) - 3} more" if len(blockers) > 3 else ""
    raise Blocked(
        f"preflight found {len(blockers)} blocker{'s' if len(blockers) > 1 else ''}: {named}{more}",
        cluster=cluster,
        unchanged="nothing was changed",
        next_step=blockers[0].remedy,
    )
