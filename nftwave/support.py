"""Versions, thresholds and dates that judgement rests on: data, each with its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

# Bounded: a node may print anything, and int() refuses thousands of digits.
_RELEASE = re.compile(r"(?<!\d)(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?(?!\d)")


class Version(NamedTuple):
    """A release as numbers; compares as numbers do (5.9 < 5.13)."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """The first `N.N` or `N.N.N` in a text such as `v1.36.2` or `6.1.0-50-amd64`."""
        found = _RELEASE.search(text)
        return cls(*(int(part or 0) for part in found.groups())) if found else None

    @property
    def series(self) -> Version:
        """The minor release without its patch: 1.36 of 1.36.2."""
        return Version(self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}" + (f".{self.patch}" if self.patch else "")


@dataclass(frozen=True)
class Threshold:
    """A version at which something changes, and who says so."""

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
NFT_UNUSABLE = Threshold(
    Version(0, 9, 8),
    "Kubernetes source, pkg/proxy/nftables/supported.go: with rules by nft 1.0.3 or later, an nft"
    " of 0.9.8 or older becomes unusable",
)
"""The newest nft that cannot bear kube-proxy's rules beside its own."""
KERNEL_CONNTRACK = Threshold(
    Version(6, 1),
    "Kubernetes documentation, Virtual IPs and Service Proxies: Linux before 6.1 may reset"
    " long-lived connections, and nftables mode brings no workaround of its own",
)
CALICO = Threshold(
    Version(3, 29),
    "Calico 3.29 release notes: the first with an nftables dataplane",
)
CALICO_FOLLOWS = Threshold(
    Version(3, 32),
    "Calico and operator source, July 2026: nftablesMode Auto follows each node's kube-proxy",
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


_KEP = "KEP-5495 as of July 2026"

IPVS_MILESTONES = (
    Milestone(Version(1, 35), "ipvs mode is deprecated", "Kubernetes 1.35 release notes"),
    Milestone(Version(1, 37), "ipvs mode is behind the feature gate KubeProxyIPVS, still on", _KEP),
    Milestone(
        Version(1, 38), "ipvs mode is removed", "migration guides of early 2026, against the KEP"
    ),
    Milestone(Version(1, 40), "ipvs mode is off unless the gate is set", _KEP),
    Milestone(Version(1, 43), "ipvs mode is removed", _KEP),
)


def ipvs_milestones_after(version: Version) -> tuple[Milestone, ...]:
    """The steps that upgrades of a cluster of this release would still meet."""
    return tuple(m for m in IPVS_MILESTONES if m.since > version.series)


OFFICIAL_IMAGE = re.compile(
    r"(?:^|/)kube-proxy:v(\d+\.\d+\.\d+)(?:-(?:alpha|beta|rc)\.\d+)?(?:@|$)"
)
"""Name and tag of kube-proxy images of the Kubernetes project, or of a mirror of them."""

IMAGE_NFT = Threshold(
    Version(1, 29),
    "Kubernetes source, build/common.sh: from 1.29 on kube-proxy's image is built on a"
    " distroless-iptables with nft (kubernetes/release pull 3320): nft 1.0.6 of Debian 12"
    " (kubernetes/release pull 4419)",
)
"""The first official kube-proxy image with an nft inside; all so far are new enough."""


def image_has_nft(image: str) -> bool | None:
    """Whether nft 1.0.1 or later is in a kube-proxy image; None where its name does not tell."""
    official = OFFICIAL_IMAGE.search(image)
    version = Version.parse(official[1]) if official else None
    return version >= IMAGE_NFT.version if version else None


NEWER_SETS = Threshold(
    Version(1, 1, 2),
    "Kubernetes issue 136786; mended by pull 137501 in 1.33.11, 1.34.7, 1.35.4 and 1.36.0",
)
"""The first nft on a host whose sets crash the nft 1.0.6 in kube-proxy's image."""
_READS_NEWER_SETS = (
    Version(1, 33, 11), Version(1, 34, 7), Version(1, 35, 4), Version(1, 36, 0),
)  # fmt: skip


def reads_newer_sets(version: Version) -> bool:
    """Whether a kube-proxy syncs on a host whose own nft is `NEWER_SETS` or later."""
    if version >= _READS_NEWER_SETS[-1]:
        return True
    return any(version >= since for since in _READS_NEWER_SETS if since.series == version.series)


FIRST_SYNC_SOURCE = (
    "a guess from two measurements: 44,125 Services took 1,004 s (kube-proxy 1.36.1, Kubernetes"
    " issue 139513), 250,011 endpoints of 5,006 Services took up to 795 s (Linux 6.1, Kubernetes"
    " issue 135639)"
)


def expected_first_sync(services: int, endpoints: int) -> float:
    """A rough guess of how long the first sync of a node takes, in seconds.

    With Services it grows faster than their number (issue 139513): taken as its square. With
    endpoints it is taken to grow as they do.
    """
    return 1004 * (services / 44_125) ** 2 + 795 * endpoints / 250_011
