"""Preflight's judgement: pure rules from facts to findings, listed in `catalogue.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.catalogue import RULES
from nftwave.findings.model import Finding, Rule, Severity, Sighting

if TYPE_CHECKING:
    from nftwave.look import ClusterFacts

__all__ = ["RULES", "Finding", "Rule", "Severity", "Sighting", "judge"]


def judge(facts: ClusterFacts) -> tuple[Finding, ...]:
    """All findings of a cluster, blockers first, otherwise in the catalogue's order."""
    found = [
        Finding(r.code, r.severity, s.subject, s.evidence, r.why, r.remedy, r.source)
        for r in RULES
        for s in r.judge(facts)
    ]
    order = list(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))
