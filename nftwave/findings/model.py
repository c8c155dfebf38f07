"""What a finding is, and what a rule is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nftwave.clusterfacts import ClusterFacts


class Severity(StrEnum):
    """How much a finding weighs."""

    BLOCKER = "blocker"
    """It would break: the run ends with nothing changed."""
    WARNING = "warning"
    """It changes behaviour or needs a person's eye; shown with the plan that is approved."""
    NOTE = "note"
    """Good to know."""


@dataclass(frozen=True)
class Sighting:
    """That a rule's condition holds for a subject: what was seen, in the cluster's own words."""

    subject: str
    evidence: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One thing that preflight looks at.

    Attributes:
        looks_at: where the evidence comes from.
        why: what would happen.
        remedy: what a person can do about it.
        source: who says so.
        judge: pure: facts in, sightings out.
        firm: why no policy may lower, waive or switch it off; empty where it may.
        always: whether it matters also where nothing is left to change.
    """

    code: str
    severity: Severity
    looks_at: str
    why: str
    remedy: str
    source: str
    judge: Callable[[ClusterFacts], Iterable[Sighting]]
    firm: str = ""
    always: bool = False


@dataclass(frozen=True)
class Finding:
    """A rule's sighting in a cluster, with what to do about it.

    Attributes:
        waived: the reason that the policy gives for going on nevertheless; empty where it gives
            none. The severity is then one step below what it would be.
        waiver: which waiver of the policy that is: code and subject as written there.
    """

    code: str
    severity: Severity
    subject: str
    evidence: str
    why: str
    remedy: str
    source: str
    waived: str = ""
    waiver: str = field(default="", repr=False)
