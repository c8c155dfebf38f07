"""Rules on kube-proxy itself: its version, its image, its mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.node.facts import NodeFacts, Unknown
from nftwave.proxyconfig import ProxyConfig
from nftwave.support import (
    IMAGE_NFT,
    NFT,
    NFTABLES_STAGES_SOURCE,
    Version,
    image_has_nft,
    ipvs_milestones_after,
    nftables_stage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nftwave.clusterfacts import ClusterFacts

CONFIG = "ConfigMap kube-system/kube-proxy"
DAEMON_SET = "DaemonSet kube-system/kube-proxy"


def image_version(image: str) -> Version | None:
    """Version by an image's tag, None where the tag does not tell."""
    _, _, tag = image.partition("@")[0].rpartition(":")
    return Version.parse(tag) if tag and "/" not in tag else None


def proxy_version(facts: ClusterFacts) -> Version | None:
    """Version of kube-proxy by its image's tag, None where the tag does not tell."""
    return image_version(facts.daemon_set.image) if facts.daemon_set else None


def mode(facts: ClusterFacts) -> str | None:
    """Mode that config.conf asks for; empty where it does not say; None where it is unreadable."""
    return facts.config.mode if isinstance(facts.config, ProxyConfig) else None


def migrated(facts: ClusterFacts) -> bool:
    """Whether config.conf and every node say nftables already: nothing is left to change."""
    modes = [
        probe.proxy_mode
        for node in facts.targets
        if isinstance(probe := facts.probes.get(node.name), NodeFacts)
    ]
    whole = bool(facts.targets) and len(modes) == len(facts.targets) and not facts.held_by_us
    return whole and mode(facts) == "nftables" and all(m == "nftables" for m in modes)


def mode_differs(facts: ClusterFacts) -> Iterable[Sighting]:
    """Nodes that run another mode than config.conf asks for."""
    wanted = mode(facts)
    for name, probe in facts.probes.items():
        running = probe.proxy_mode if isinstance(probe, NodeFacts) else None
        if wanted and isinstance(running, str) and running != wanted:
            yield Sighting(f"node {name}", f"runs {running}, config.conf says {wanted}")


def version_unsupported(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy, or the API server, from before nftables mode."""
    server = Version.parse(facts.server_version)
    if server and nftables_stage(server) is None:
        yield Sighting("API server", facts.server_version)
    version = proxy_version(facts)
    if facts.daemon_set and version and nftables_stage(version) is None:
        yield Sighting(DAEMON_SET, f"image {facts.daemon_set.image}")


def version_beta(facts: ClusterFacts) -> Iterable[Sighting]:
    """A kube-proxy whose nftables mode is not GA."""
    version = proxy_version(facts)
    stage = nftables_stage(version) if version else None
    if stage and stage.name != "GA":
        yield Sighting(DAEMON_SET, f"kube-proxy {version}: nftables mode is {stage.name}")


def version_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """An image whose tag does not tell a version."""
    if facts.daemon_set and proxy_version(facts) is None:
        yield Sighting(DAEMON_SET, f"image {facts.daemon_set.image}")


def _image_nft(facts: ClusterFacts) -> Iterator[tuple[str, str | Unknown | None]]:
    """What nft each kube-proxy image has, as the pods told by node; None where there is none."""
    for name, probe in facts.probes.items():
        if isinstance(probe, NodeFacts):
            yield name, probe.proxy_nft


def image_nft_unfit(facts: ClusterFacts) -> Iterable[Sighting]:
    """Pods whose image has no nft that kube-proxy could use."""
    for name, told in _image_nft(facts):
        version = Version.parse(told) if isinstance(told, str) else None
        if told is None:
            yield Sighting(f"node {name}", "no nft in kube-proxy's image")
        elif version and version < NFT.version:
            yield Sighting(
                f"node {name}", f"nft {told} in kube-proxy's image, needed {NFT.version}"
            )


def image_nft_unknown(facts: ClusterFacts) -> Iterable[Sighting]:
    """An image of which nobody can tell from outside whether it has nft."""
    image = facts.daemon_set.image if facts.daemon_set else ""
    asked = any(not isinstance(nft, Unknown) for _, nft in _image_nft(facts))
    if image and image_has_nft(image) is None and not asked:
        yield Sighting(DAEMON_SET, f"image {image}")


def version_skew(facts: ClusterFacts) -> Iterable[Sighting]:
    """kube-proxy newer than the API server, or more than three minor releases older."""
    server, proxy = Version.parse(facts.server_version), proxy_version(facts)
    if server and proxy and not 0 <= server.minor - proxy.minor <= 3:
        yield Sighting(DAEMON_SET, f"kube-proxy {proxy}, API server {server}")


def ipvs_ends(facts: ClusterFacts) -> Iterable[Sighting]:
    """The steps in the removal of ipvs that upgrades of this release would still meet."""
    server = Version.parse(facts.server_version)
    steps = ipvs_milestones_after(server) if server and mode(facts) == "ipvs" else ()
    if steps:
        told = "; ".join(f"from {m.since} on {m.what} ({m.source})" for m in steps)
        yield Sighting(f"Kubernetes {facts.server_version}", told)


RULES = (
    Rule(
        code="version-unsupported",
        severity=Severity.BLOCKER,
        looks_at="versions of the API server and of the kube-proxy image",
        why="this kube-proxy does not know nftables mode",
        remedy="upgrade Kubernetes to 1.31 or later first (1.33 or later is better: GA)",
        source=NFTABLES_STAGES_SOURCE,
        judge=version_unsupported,
        firm="kube-proxy itself does not know the mode",
    ),
    Rule(
        code="version-not-ga",
        severity=Severity.WARNING,
        looks_at="version of the kube-proxy image",
        why="nftables mode is GA from 1.33 on",
        remedy="upgrade Kubernetes first where you can",
        source=NFTABLES_STAGES_SOURCE,
        judge=version_beta,
    ),
    Rule(
        code="version-unknown",
        severity=Severity.WARNING,
        looks_at="tag of the kube-proxy image",
        why="the tag does not tell the version, so nothing is known of its nftables mode",
        remedy="see what the image is: it needs kube-proxy 1.31 or later",
        source=NFTABLES_STAGES_SOURCE,
        judge=version_unknown,
    ),
    Rule(
        code="image-nft-unfit",
        severity=Severity.BLOCKER,
        looks_at="`nft --version` in each kube-proxy pod; with access exec only",
        why="kube-proxy wipes ipvs, finds no nft that it can use and dies, and the node has no"
        " Services",
        remedy="give the DaemonSet an image of the Kubernetes project, 1.29 or later",
        source=f"{NFT.source}; the wipe: measured, kube-proxy 1.36.2 without nft",
        judge=image_nft_unfit,
        firm="every node would lose its Services",
    ),
    Rule(
        code="image-nft-unknown",
        severity=Severity.WARNING,
        looks_at="name and tag of the kube-proxy image",
        why="it is not named as the Kubernetes project names its images, so it may lack nft: then"
        " kube-proxy wipes ipvs, finds no nft and dies, and the node has no Services",
        remedy="ask it: `kubectl -n kube-system exec ds/kube-proxy -- nft --version` has to say"
        " 1.0.1 or later",
        source=f"{IMAGE_NFT.source}; the wipe: measured, kube-proxy 1.36.2 without nft",
        judge=image_nft_unknown,
    ),
    Rule(
        code="version-skew",
        severity=Severity.WARNING,
        looks_at="version of the kube-proxy image beside the API server's",
        why="kube-proxy must not be newer than the API server, nor over three minor releases older",
        remedy="end the upgrade that is under way first",
        source="Kubernetes version skew policy",
        judge=version_skew,
    ),
    Rule(
        code="mode-differs",
        severity=Severity.WARNING,
        looks_at="the mode that each node runs, beside config.conf",
        why="kube-proxy reads its configuration only when it starts, so a node can be left behind",
        remedy="nothing for ipvs nodes: this run restarts them; else find out who restarted"
        " kube-proxy",
        source="measured, kube-proxy 1.36.2 on Linux 6.1",
        judge=mode_differs,
        always=True,
    ),
    Rule(
        code="ipvs-ends",
        severity=Severity.NOTE,
        looks_at="version of the API server",
        why="upgrades will take ipvs mode away",
        remedy="none: this migration is the remedy",
        source="KEP-5495",
        judge=ipvs_ends,
    ),
)
