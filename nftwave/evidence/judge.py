"""A look at a node -> a verdict on it. Pure.

Ready, the log line, `/proxyMode` and `/healthz` can all be well while a node has no rules at all
(measured, kube-proxy 1.36.2: the first sync ended 11 s after Ready; a dying kube-proxy logged
"Using nftables Proxier" too). So a node is verified only when everything below holds, and the
rules in the kernel are part of it. What could not be seen is unknown: neither verified nor failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.evidence import leftovers, pod, process, reach, rules
from nftwave.evidence.look import Seen, family_of
from nftwave.evidence.model import Evidence, NodeVerdict, Standing, overall
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Expected, Look
    from nftwave.node.facts import Family


def judge(
    node: str, look: Look, expected: Expected, *, at: float, first: Look | None = None
) -> NodeVerdict:
    """The verdict on one node.

    Args:
        look: the newest.
        at: now, seconds since the epoch.
        first: an earlier look at the same container: what a single look cannot tell (whether a
            counter grows, whether the container stays up) is told by two.
    """
    reachable = not isinstance(look.facts, Unreachable)
    evidence = [pod.ready_successor(node, look, expected, reachable=reachable)]
    if isinstance(look.facts, Unreachable):
        evidence.append(Evidence("probe", Standing.UNKNOWN, look.facts.what, f"ssh {node}"))
    else:
        seen = Seen(node, look.facts, look, expected, first, at)
        evidence += _all(seen)
    return NodeVerdict(node, overall(evidence), tuple(evidence), at)


def _all(seen: Seen) -> Iterable[Evidence]:
    yield from pod.stays_up(seen)
    yield pod.log_line(seen)
    yield process.proxy_mode(seen)
    yield process.answering_process(seen)
    for family in sorted(families(seen)):
        yield process.first_sync(seen, family)
        yield rules.table(seen, family)
        yield from rules.must_serve(seen, family)
        yield from rules.services(seen, family)
    yield process.sync_failures(seen)
    yield from reach.connections(seen)
    yield from leftovers.ipvs(seen)
    yield leftovers.interface_gone(seen)
    yield from leftovers.iptables(seen)
    yield from reach.conntrack(seen)


def families(seen: Seen) -> frozenset[Family]:
    """Families whose rules have to be there.

    kube-proxy's own word where the log still has it. Else every family that `/healthz` or a metric
    names (each begins to name its own before the first sync, Kubernetes 1.36 source), and those of
    the Services that must be served.
    """
    if seen.look.log and seen.look.log.families:
        return seen.look.log.families
    found: set[Family] = {family_of(port.address) for port in seen.expected.must_serve}
    if not isinstance(seen.facts.health, Unknown):
        found |= set(seen.facts.health.families)
    for samples in (seen.facts.last_sync, seen.facts.last_queued):
        if not isinstance(samples, Unknown):
            found |= {family for family in samples if family != "any"}
    return frozenset(found)
