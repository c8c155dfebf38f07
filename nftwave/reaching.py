"""How nodes are looked at, by the fleet file: over SSH, or by exec in their kube-proxy pods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from nftwave.node.access import resolve
from nftwave.node.connect import open_session
from nftwave.podprobe import PodProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nftwave.fleet import Cluster
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.objects import NodeView, ProxyPod
    from nftwave.node.deadline import Deadline
    from nftwave.node.facts import NodeFacts, ServicePort
    from nftwave.node.host import Access
    from nftwave.node.jumps import JumpHosts


class Probing(Protocol):
    """A way to look at one node again and again."""

    def probe(self, *, deadline: Deadline, reach: Collection[ServicePort]) -> NodeFacts:
        """One look; raises Unreachable.

        Args:
            reach: TCP ports of Services to which a connection is tried from there.
        """

    def close(self) -> None:
        """End it; harmless when ended already."""


class Opener(Protocol):
    """Makes the connection to one node."""

    def __call__(self, deadline: Deadline) -> Probing:
        """Connect; raises Unreachable."""


def opener(
    cluster: Cluster,
    node: NodeView,
    *,
    gateway: Gateway,
    pod: Callable[[], ProxyPod | None],
    jumps: JumpHosts,
) -> Opener:
    """What makes a connection to a node when it is called.

    Args:
        pod: tells the node's kube-proxy pod at that time.
        jumps: connections to jump hosts that are shared with other nodes.

    Raises:
        BadInput: the Node has no such address, or the ssh config cannot be honoured.
    """
    if cluster.access == "exec":
        return lambda _: PodProbe(gateway, node, pod)
    access = access_to(cluster, node)
    return lambda deadline: open_session(access, deadline=deadline, jumps=jumps)


def once(way: Opener, deadline: Deadline, reach: Collection[ServicePort]) -> NodeFacts:
    """Connect, look once, close; raises Unreachable."""
    session = way(deadline)
    try:
        return session.probe(deadline=deadline, reach=reach)
    finally:
        session.close()


def access_to(cluster: Cluster, node: NodeView) -> Access:
    """How a node is reached over SSH, by the fleet file and the ssh config.

    Raises:
        BadInput: the Node has no such address, or the ssh config cannot be honoured.
    """
    access = resolve(cluster.ssh, node.object)
    if access.connect_timeout is not None:
        return access
    return replace(access, connect_timeout=cluster.policy.deadlines.connect)
