"""Findings for people: the same on many nodes is one entry, with a count and the first names.

Machines get all of them, one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.findings.model import Finding, Severity

NAMED = 3
"""How many subjects, and how many kinds of evidence, are named; the rest is counted."""


@dataclass(frozen=True)
class Fold:
    """At least one finding; all are of one code and severity, and waived for the same reason."""

    findings: tuple[Finding, ...]

    @property
    def code(self) -> str:
        """The code that all of them have."""
        return self.findings[0].code

    @property
    def severity(self) -> Severity:
        """The severity that all of them have."""
        return self.findings[0].severity

    @property
    def why(self) -> str:
        """Why it matters."""
        return self.findings[0].why

    @property
    def remedy(self) -> str:
        """What a person can do about it."""
        return self.findings[0].remedy

    @property
    def waived(self) -> str:
        """The reason for which they are waived; empty where they are not."""
        return self.findings[0].waived

    def seen(self) -> str:
        """Subjects and evidence in one text: `node a, node b and 998 more: no nft`."""
        by_evidence: dict[str, list[str]] = {}
        for one in self.findings:
            by_evidence.setdefault(one.evidence, []).append(one.subject)
        most = sorted(by_evidence.items(), key=lambda item: -len(item[1]))
        told = [f"{_listed(subjects)}: {evidence}" for evidence, subjects in most[:NAMED]]
        rest = sum(len(subjects) for _, subjects in most[NAMED:])
        return "; ".join([*told, *([f"and {rest} more"] if rest else [])])


def fold(findings: Iterable[Finding]) -> tuple[Fold, ...]:
    """Findings of the same code together, in the order in which each first comes."""
    together: dict[tuple[str, str, str], list[Finding]] = {}
    for one in findings:
        together.setdefault((one.code, one.severity, one.waived), []).append(one)
    return tuple(Fold(tuple(same)) for same in together.values())


def _listed(subjects: list[str]) -> str:
    if len(subjects) <= NAMED:
        return ", ".join(subjects)
    return f"{', '.join(subjects[:NAMED])} and {len(subjects) - NAMED} more"
