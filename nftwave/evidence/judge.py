"""A look at a node -> a verdict on it, for the mode that it has to run. Pure.

Ready, the log line, `/proxyMode` and `/healthz` can all be well while a node has no rules at all
(measured, kube-proxy 1.36.2: the first sync ended 11 s after Ready; a dying kube-proxy logged
"Using nftables Proxier" too). So a node is verified only when everything below holds, and the
rules in the kernel are part of it. The way back to ipvs is judged no more lightly. What could not
be seen is unknown: neither verified nor failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.evidence import leftovers, pod, process, reach, rules, servers
from nftwave.evidence.look import Seen
from nftwave.evidence.model import Evidence, NodeVerdict, Standing, overall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nftwave.evidence.look import Expected, Look
    from nftwave.evidence.model import Mode
    from nftwave.node.facts import Family


@dataclass(frozen=True)
class Proof:
    """What one mode alone asks of a node, in the order in which it is told."""

    of_family: tuple[Callable[[Seen, Family], Iterable[Evidence]], ...]
    of_syncs: tuple[Callable[[Seen], Iterable[Evidence]], ...]
    of_node: tuple[Callable[[Seen], Iterable[Evidence]], ...]


PROOFS: Mapping[Mode, Proof] = {
    "nftables": Proof(
        of_family=(rules.table, rules.must_serve, rules.services),
        of_syncs=(process.sync_failures,),
        of_node=(leftovers.ipvs, leftovers.interface_gone, leftovers.iptables),
    ),
    # ipvs counts no failed syncs, and its iptables chains are its own to have.
    "ipvs": Proof(
        of_family=(servers.must_serve, servers.services),
        of_syncs=(),
        of_node=(servers.interface, leftovers.tables),
    ),
}


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
        # What the node shows is compared with no pod of the past: it may have another one by now.
        told = replace(look, pod=None) if look.pod_is_old else look
        seen = Seen(node, look.facts, told, expected, first, at)
        evidence += _all(seen)
    return NodeVerdict(node, overall(evidence), tuple(evidence), at, mode=expected.mode)


def _all(seen: Seen) -> Iterable[Evidence]:
    proof = PROOFS[seen.expected.mode]
    yield from pod.stays_up(seen)
    yield pod.log_line(seen)
    yield process.proxy_mode(seen)
    yield process.answering_process(seen)
    for family in sorted(seen.families):
        yield process.first_sync(seen, family)
        for ask in proof.of_family:
            yield from ask(seen, family)
    for ask_once in proof.of_syncs:
        yield from ask_once(seen)
    yield from reach.connections(seen)
    for ask_once in proof.of_node:
        yield from ask_once(seen)
    yield from reach.conntrack(seen)
