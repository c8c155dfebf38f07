"""What a piece of evidence is, and what a verdict is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.interruption import Interruption

Mode = Literal["nftables", "ipvs"]
"""What a node is to prove that it runs: the new mode, or after a rollback the old one."""


class Standing(StrEnum):
    """What is known of a piece of evidence, or of a node."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, holds: bool) -> Standing:  # noqa: FBT001 (what it is about)
        """Verified or failed."""
        return cls.VERIFIED if holds else cls.FAILED


@dataclass(frozen=True)
class Evidence:
    """One thing looked at: what was seen, and the command with which a person can look again."""

    name: str
    standing: Standing
    seen: str
    command: str
    counts: bool = True
    """Whether the verdict rests on it. False for a warning, and for what other evidence proves
    better."""


@dataclass(frozen=True)
class NodeVerdict:
    """What is known of a node after the change, or after the way back, and why.

    Attributes:
        evidence: for and against, in the order in which it was looked at.
        at: when it was judged, seconds since the epoch by the clock of this program.
        interruption: what was measured on the node during its change, None where nothing was.
        mode: what it was to prove.
    """

    node: str
    standing: Standing
    evidence: tuple[Evidence, ...]
    at: float
    interruption: Interruption | None = None
    mode: Mode = "nftables"

    def __repr__(self) -> str:
        # Prefect logs the result of a task run that ends as Failed.
        return f"<{self.node}: {self.standing} ({self.mode})>"

    def as_dict(self) -> dict[str, Any]:
        """For JSON and YAML, with the reason in words."""
        return {**asdict(self), "why": self.why()}

    def against(self) -> tuple[Evidence, ...]:
        """The evidence that keeps the node from being verified; failed before unknown."""
        open_ones = [e for e in self.evidence if e.counts and e.standing is not Standing.VERIFIED]
        return tuple(sorted(open_ones, key=lambda e: e.standing is Standing.UNKNOWN))

    def warnings(self) -> tuple[Evidence, ...]:
        """What a person should know, though the verdict does not rest on it."""
        return tuple(e for e in self.evidence if not e.counts and e.standing is Standing.FAILED)

    def why(self) -> str:
        """One line: what is against it, or how much is for it."""
        against = self.against()
        if against:
            # By exec many pieces are unknown for one and the same reason: it is told once.
            named: dict[str, list[str]] = {}
            for one in against:
                named.setdefault(one.seen, []).append(one.name)
            return "; ".join(f"{', '.join(names)}: {seen}" for seen, names in named.items())
        held = sum(e.standing is Standing.VERIFIED for e in self.evidence)
        warnings = ", ".join(e.name for e in self.warnings())
        told = f"{held} pieces of evidence for {self.mode} mode hold"
        return f"{told}; warnings: {warnings}" if warnings else told


def overall(evidence: Iterable[Evidence]) -> Standing:
    """Failed if any counting piece is; else unknown if any is; else verified."""
    standings = {e.standing for e in evidence if e.counts}
    if Standing.FAILED in standings:
        return Standing.FAILED
    return Standing.UNKNOWN if Standing.UNKNOWN in standings else Standing.VERIFIED
