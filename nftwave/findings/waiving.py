"""The rule on the policy's own waivers: one that is for nothing here is told.

A waiver that matches nothing is a mistyped pattern, or the risk that it was written for has gone
and it would hide the next one. It is asked of the other rules, so it comes after them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.findings.weighing import applies, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nftwave.clusterfacts import ClusterFacts


def unused(by_code: Mapping[str, Rule], facts: ClusterFacts) -> Iterable[Sighting]:
    """Waivers of the policy that no sighting of their code needs."""
    for waiver in facts.cluster.policy.waivers:
        rule = by_code.get(waiver.code)
        seen = [one.subject for one in rule.judge(facts)] if rule else []
        if not any(applies(waiver, waiver.code, subject) for subject in seen):
            others = f"; {waiver.code} is found of {', '.join(seen[:3])}" if seen else ""
            yield Sighting(f"waiver {written(waiver)}", f"is for nothing here{others}")


def rule(others: Sequence[Rule]) -> Rule:
    """The rule, on waivers of these others."""
    return Rule(
        code="waiver-unused",
        severity=Severity.NOTE,
        looks_at="policy.waivers, beside everything else that is found",
        why="its pattern may be mistyped, or what it was written for has gone and it would hide"
        " the next one",
        remedy="mend its pattern; or take it out, unless another cluster of the fleet needs it",
        source="this program's rule: what is waived is known",
        judge=partial(unused, {one.code: one for one in others}),
    )
