"""Versions, thresholds and dates that judgement rests on: data, each with its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple


class Version(NamedTuple):
    """A release as numbers; compares as numbers do (5.9 < 5.13)."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The first `N.N` or `N.N.N` in a text such as `v1.36.2` or `6.1.0-50-amd64`."""
        found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        return cls(*(int(part or 0) for part in found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")


@dataclass(frozen=True)
class Threshold:
    """The lowest version that will do, and who says so."""

    version: Version
    source: str


KERNEL = Threshold(
    Version(5, 13),
    "Kubernetes source, pkg/proxy/nftables: kube-proxy refuses nftables mode on older kernels",
)
NFT = Threshold(
    Version(1, 0, 1),
    "Kubernetes source, pkg/proxy/nftables: kube-proxy asks for nft 1.0.1 or later",
)


@dataclass(frozen=True)
class Stage:
    """What nftables mode is in a Kubernetes minor release, until the next row."""

    since: Version
    name: str
    gate_needed: bool
    """Whether the feature gate NFTablesProxyMode has to be switched on."""


NFTABLES_STAGES = (
    Stage(Version(1, 29), "alpha", gate_needed=True),
    Stage(Version(1, 31), "beta", gate_needed=False),
    Stage(Version(1, 33), "GA", gate_needed=False),
)
NFTABLES_STAGES_SOURCE = "KEP-3866 (NFTables kube-proxy)"
NFTABLES_GATE = "NFTablesProxyMode"


def nftables_stage(version: Version) -> Stage | None:
    """What nftables mode is in that release; None where it is not known yet."""
    return next((s for s in reversed(NFTABLES_STAGES) if version >= s.since), None)


@dataclass(frozen=True)
class Milestone:
    """A step in the removal of ipvs mode."""

    since: Version
    what: str
    source: str


IPVS_MILESTONES = (
    Milestone(Version(1, 35), "ipvs mode is deprecated", "Kubernetes 1.35 release notes"),
    Milestone(
        Version(1, 37),
        "ipvs mode is behind the feature gate KubeProxyIPVS, still on",
        "KEP-5495 as of July 2026",
    ),
    Milestone(
        Version(1, 40), "ipvs mode is off unless the gate is set", "KEP-5495 as of July 2026"
    ),
    Milestone(Version(1, 43), "ipvs mode is removed", "KEP-5495 as of July 2026"),
)


def next_ipvs_milestone(version: Version) -> Milestone | None:
    """The next step that an upgrade of a cluster of this release would meet."""
    return next((m for m in IPVS_MILESTONES if m.since > version), None)
