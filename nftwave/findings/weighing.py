"""How much a sighting weighs here: the rule's own severity, or what the policy makes of it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from nftwave.findings.model import Finding, Severity

if TYPE_CHECKING:
    from nftwave.findings.model import Rule, Sighting
    from nftwave.fleet import Policy, Waiver

WAIVED = {
    Severity.BLOCKER: Severity.WARNING,
    Severity.WARNING: Severity.NOTE,
    Severity.NOTE: Severity.NOTE,
}
"""What a severity becomes by a waiver: one step less, so that it still is seen."""


def weigh(rule: Rule, sighting: Sighting, policy: Policy) -> Finding | None:
    """The finding; None where the policy has switched it off. Firm rules ignore the policy."""
    told = "" if rule.firm else policy.findings.get(rule.code, "")
    if told == "off":
        return None
    severity = Severity(told) if told else rule.severity
    waivers = () if rule.firm else policy.waivers
    waiver = next((one for one in waivers if applies(one, rule.code, sighting.subject)), None)
    return Finding(
        code=rule.code,
        severity=WAIVED[severity] if waiver else severity,
        subject=sighting.subject,
        evidence=sighting.evidence,
        why=rule.why,
        remedy=rule.remedy,
        source=rule.source,
        waived=waiver.reason if waiver else "",
        waiver=written(waiver) if waiver else "",
    )


def written(waiver: Waiver) -> str:
    """Code and subject of a waiver, as the policy has them."""
    return f"{waiver.code} {waiver.subject or '*'}"


def applies(waiver: Waiver, code: str, subject: str) -> bool:
    """Whether a waiver is for that; its pattern may match the subject or its last word.

    So `lab-*` and `node lab-*` both are for `node lab-1-node-3`.
    """
    if waiver.code != code:
        return False
    names = (subject, subject.rpartition(" ")[2])
    return waiver.subject is None or any(fnmatchcase(name, waiver.subject) for name in names)
