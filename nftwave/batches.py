"""In which order nodes have their turn: the canary, then batches, each proven before the next."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import zip_longest
from typing import TYPE_CHECKING

from nftwave.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nftwave.fleet import Cluster, Drain, Policy
    from nftwave.kube.objects import NodeView

CONTROL_PLANE = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels that kubeadm gives to nodes of the control plane; the second one until 1.24."""


def arrange(cluster: Cluster, nodes: Iterable[NodeView]) -> tuple[tuple[str, ...], ...]:
    """The batches in order; the first one is the canary. Each node is in exactly one.

    A node of the control plane goes alone: there are few, and much depends on each.

    Raises:
        BadInput: the policy names a canary that is not among the nodes.
    """
    policy = cluster.policy
    ordered = in_order(nodes, policy)
    canary = _canary(cluster, ordered)
    rest = [node for node in ordered if node.name not in canary]
    return (canary, *_cut(rest, policy.batches.sizes, len(ordered))) if canary else ()


def in_order(nodes: Iterable[NodeView], policy: Policy) -> list[NodeView]:
    """All nodes: workers mixed over their zones, the control plane before or after them."""
    groups: dict[bool, list[NodeView]] = {True: [], False: []}
    for node in nodes:
        groups[is_control_plane(node)].append(node)
    mixed = {key: _mixed(group, policy.batches.spread_by) for key, group in groups.items()}
    first = policy.batches.control_plane == "first"
    return mixed[first] + mixed[not first]


def is_control_plane(node: NodeView) -> bool:
    """Whether kubeadm made it a node of the control plane."""
    return any(label in node.labels for label in CONTROL_PLANE)


def share(wanted: int | str, total: int, *, up: bool) -> int:
    """A number of nodes, or per cent of a total, in nodes; parts of a node count up or not."""
    if isinstance(wanted, int):
        return wanted
    part = total * int(wanted.removesuffix("%")) / 100
    return math.ceil(part) if up else math.floor(part)


def has_labels(node: NodeView, selector: Mapping[str, str]) -> bool:
    """Whether a node has all of these labels."""
    return all(node.labels.get(name) == value for name, value in selector.items())


def to_drain(nodes: Iterable[NodeView], drain: Drain) -> tuple[str, ...]:
    """Names of the nodes that are drained before their turn, sorted."""
    if drain.everywhere is not None:
        return tuple(sorted(node.name for node in nodes)) if drain.everywhere else ()
    named = set(drain.nodes)
    return tuple(
        sorted(
            node.name
            for node in nodes
            if node.name in named or (drain.selector and has_labels(node, drain.selector))
        )
    )


def _mixed(nodes: Sequence[NodeView], label: str) -> list[NodeView]:
    """One of each value of a label, then the next of each; by name within a value."""
    zones: dict[str, list[NodeView]] = defaultdict(list)
    for node in sorted(nodes, key=lambda n: n.name):
        zones[node.labels.get(label, "")].append(node)
    rounds = zip_longest(*(zones[zone] for zone in sorted(zones)))
    return [node for one in rounds for node in one if node is not None]


def _canary(cluster: Cluster, ordered: Sequence[NodeView]) -> tuple[str, ...]:
    wanted = cluster.policy.canary
    names = [node.name for node in ordered]
    if wanted.nodes:
        unknown = sorted(set(wanted.nodes) - set(names))
        if unknown:
            raise BadInput(
                f"no node {', '.join(unknown)} with kube-proxy in {cluster.name};"
                f" it has {', '.join(sorted(names)[:10])}",
                field="policy.canary.nodes",
            )
        return tuple(name for name in names if name in wanted.nodes)
    if wanted.selector:
        names = [node.name for node in ordered if has_labels(node, wanted.selector)]
        if not names:
            labels = ", ".join(f"{k}={v}" for k, v in wanted.selector.items())
            raise BadInput(
                f"no node with kube-proxy in {cluster.name} has the labels {labels}",
                field="policy.canary.selector",
            )
    return tuple(names[: wanted.count])


def _cut(
    nodes: Sequence[NodeView], sizes: Sequence[int | str], total: int
) -> Iterable[tuple[str, ...]]:
    rest, turn = list(nodes), 0
    while rest:
        alone = is_control_plane(rest[0])
        size = 1 if alone else share(sizes[min(turn, len(sizes) - 1)], total, up=True)
        same = next((i for i, n in enumerate(rest) if is_control_plane(n) != alone), len(rest))
        size = min(size, same)
        yield tuple(node.name for node in rest[:size])
        rest, turn = rest[size:], turn + (not alone)
