"""What each field of a fleet file may hold, in words for the person who writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.support import KERNEL, NFT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.yamlnodes import Place

NEEDED = {"kernel": KERNEL.version, "nft": NFT.version}
"""What kube-proxy's nftables mode needs at least."""

_SECONDS = "a number of seconds greater than 0, at most 2678400 (31 days)"
_COUNT = "a whole number from 1 to 1000"
_SOME = "a number of nodes greater than 0, or per cent such as 25%"
_ACCESS = "ssh, or exec (in kube-proxy's pods)"
_PATH = "a path; ~ and $VARS are expanded"

ALLOWED: Mapping[str, str] = {
    "": 'a mapping with "clusters", and "ssh" and "policy" if wanted',
    "clusters": "a list of at least one cluster",
    "clusters[]": 'a mapping with "name", and "kubeconfig" and "context" or "in_cluster"',
    "clusters[].name": (
        "a name of lower-case letters, digits and dashes, at most 63, "
        "beginning and ending with a letter or digit"
    ),
    "clusters[].kubeconfig": _PATH,
    "clusters[].context": "the name of a context in the kubeconfig",
    "clusters[].in_cluster": "true or false",
    "clusters[].access": _ACCESS,
    "clusters[].labels": "a mapping of names to strings",
    "clusters[].labels.*": "a string; put it in quotes",
    "access": _ACCESS,
    "ssh": "a mapping of SSH options",
    "ssh.user": "the name of a user",
    "ssh.port": "a whole number from 1 to 65535",
    "ssh.identity_file": _PATH,
    "ssh.agent": "true or false",
    "ssh.jump": "a list of jump hosts such as ops@bastion.example.org:22",
    "ssh.jump[]": "a jump host such as ops@bastion.example.org:22",
    "ssh.known_hosts": _PATH,
    "ssh.sudo": "true or false",
    "ssh.address": "InternalIP, ExternalIP, Hostname, or a template such as {name}.example.org",
    "ssh.config": _PATH,
    "policy": "a mapping of policy options",
    "policy.strategy": "batches or rolling",
    "policy.canary": 'a mapping with "count", "nodes" or "selector"',
    "policy.canary.count": _COUNT,
    "policy.canary.nodes": "a list of names of nodes",
    "policy.canary.nodes[]": "the name of a node",
    "policy.canary.selector": "a mapping of labels",
    "policy.canary.selector.*": "a string; put it in quotes",
    "policy.batches": "a mapping of options for batches",
    "policy.batches.sizes": f"a list, each {_SOME}",
    "policy.batches.sizes[]": _SOME,
    "policy.batches.at_once": _COUNT,
    "policy.batches.control_plane": "last or first",
    "policy.batches.spread_by": "the name of a label",
    "policy.batches.soak": "a number of seconds from 0 to 2678400 (31 days)",
    "policy.batches.failure_budget": "a number of nodes, or per cent such as 5%",
    "policy.config_at_gate": "original or stays",
    "policy.on_failure": 'a mapping with "canary" or "batch"',
    "policy.on_failure.canary": "rollback, hold or ask",
    "policy.on_failure.batch": "hold, rollback or ask",
    "policy.drain": 'true, false, or a mapping with "everywhere", "nodes" or "selector"',
    "policy.drain.everywhere": "true or false",
    "policy.drain.nodes": "a list of names of nodes",
    "policy.drain.nodes[]": "the name of a node",
    "policy.drain.selector": "a mapping of labels",
    "policy.drain.selector.*": "a string; put it in quotes",
    "policy.drain.deadline": _SECONDS,
    "policy.drain.unmanaged": "true or false",
    "policy.drain.empty_dir": "true or false",
    "policy.quiet": 'a mapping with "max_connections"',
    "policy.quiet.max_connections": "a whole number, at least 0",
    "policy.quiet.wait_seconds": _SECONDS,
    "policy.quiet.otherwise": "go-on or stop",
    "policy.node_port_addresses": "keep-reach or primary",
    "policy.parallelism": "a whole number from 1 to 1024",
    "policy.interruption_probe": "canary, all or off",
    "policy.findings": "a mapping of codes of findings to severities",
    "policy.findings.*": "blocker, warning, note or off",
    "policy.waivers": 'a list of waivers, each with "code" and "reason"',
    "policy.waivers[]": 'a mapping with "code", "reason" and, if wanted, "subject"',
    "policy.waivers[].code": "the code of a finding; docs/findings.md has all",
    "policy.waivers[].subject": "a pattern with * and ?, such as a node's name",
    "policy.waivers[].reason": "why it may be so: it is shown with the plan that is approved",
    "policy.thresholds": 'a mapping with "kernel" or "nft"',
    "policy.thresholds.kernel": (
        f'a version in quotes, at least "{NEEDED["kernel"]}": kube-proxy in nftables mode needs it'
    ),
    "policy.thresholds.nft": (
        f'a version in quotes, at least "{NEEDED["nft"]}": kube-proxy in nftables mode needs it'
    ),
    "policy.deadlines": "a mapping of deadlines in seconds",
    "policy.deadlines.connect": _SECONDS,
    "policy.deadlines.probe": _SECONDS,
    "policy.deadlines.preflight": _SECONDS,
    "policy.deadlines.successor": _SECONDS,
    "policy.deadlines.rollout": _SECONDS,
    "policy.deadlines.verify": _SECONDS,
    "policy.deadlines.approval": _SECONDS,
}
"""What each field may hold. Indexes are `[]`, names that are free are `*`, and a cluster's `ssh`
and `policy` are those of the fleet."""


def allowed(place: Place) -> str:
    """What may stand at a place of the file, such as `("clusters", 0, "ssh", "port")`."""
    return ALLOWED[_row(place)]


def fields(place: Place) -> list[str]:
    """Names of the fields that a mapping at a place may have."""
    start = f"{row}." if (row := _row(place)) else ""
    below = (other.removeprefix(start) for other in ALLOWED if other.startswith(start) and other)
    names = {name for name in below if "." not in name and "[" not in name}
    return sorted(names | ({"ssh", "policy"} if row == "clusters[]" else set()))


def written(place: Place) -> str:
    """A place as people write it: `clusters[0].policy.deadlines.probe`; empty for the whole."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def _row(place: Place) -> str:
    """The row of `ALLOWED` for a place."""
    if place[:1] == ("clusters",) and place[2:3] in {("ssh",), ("policy",)}:
        place = place[2:]
    if place[:1] == ("clusters",) and place[2:3] == ("labels",) and place[3:]:
        return "clusters[].labels.*"
    if place[:2] == ("policy", "findings") and place[2:]:
        return "policy.findings.*"
    if place[:1] == ("policy",) and place[2:3] == ("selector",) and place[3:]:
        return f"policy.{place[1]}.selector.*"
    text = "".join("[]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")
