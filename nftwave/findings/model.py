"""What a finding is, and what a rule is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nftwave.look import ClusterFacts


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


@dataclass(frozen=True)
class Rule:
    """One thing that preflight looks at. `judge` is pure: facts in, sightings out."""

    code: str
    severity: Severity
    looks_at: str
    why: str
    remedy: str
    source: str
    judge: Callable[[ClusterFacts], Iterable[Sighting]]


@dataclass(frozen=True)
class Finding:
    """A rule's sighting in a cluster, with what to do about it."""

    code: str
    severity: Severity
    subject: str
    evidence: str
    why: str
    remedy: str
    source: str
