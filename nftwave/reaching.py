"""How a node is looked at, by the fleet file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.look import access_to
from nftwave.node.connect import SHARED, open_session

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.fleet import Cluster
    from nftwave.kube.objects import NodeView
    from nftwave.node.jumps import JumpHosts
    from nftwave.prove import Probing


def opener(cluster: Cluster, node: NodeView, jumps: JumpHosts = SHARED) -> Callable[[], Probing]:
    """What makes a connection to a node when it is called.

    Args:
        jumps: connections to jump hosts that are shared with other nodes.

    Raises:
        BadInput: the Node has no such address, or the ssh config cannot be honoured.
    """
    access = access_to(cluster, node)
    deadline = cluster.policy.deadlines.probe
    return lambda: open_session(access, deadline=deadline, jumps=jumps)
