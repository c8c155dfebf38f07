"""Looking at one node or at many in one go, as most tests of this package do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.node.connect import SHARED, open_session
from nftwave.node.deadline import Deadline
from nftwave.node.jumps import JumpHosts
from nftwave.node.parallel import on_each

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from nftwave.errors import Unreachable
    from nftwave.node.facts import NodeFacts, ServicePort
    from nftwave.node.host import Access


def probe(
    access: Access,
    *,
    deadline: float | Deadline,
    jumps: JumpHosts = SHARED,
    reach: Collection[ServicePort] = (),
) -> NodeFacts:
    """Connect, look once, close; `deadline` is in seconds and covers all of it.

    Raises:
        Unreachable: with the stage that was reached and the reason.
    """
    limit = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
    with open_session(access, deadline=limit, jumps=jumps) as session:
        return session.probe(deadline=limit, reach=reach)


def probe_all(
    accesses: Mapping[str, Access],
    *,
    workers: int,
    per_host_deadline: float,
    overall_deadline: float,
) -> Iterator[tuple[str, NodeFacts | Unreachable]]:
    """Probe many nodes; yields (name, facts or the reason there are none) as each ends.

    Hosts behind the same jump hosts share one connection to them. Deadlines are in seconds; a
    node's own begins when it is its turn.
    """
    with JumpHosts() as jumps:
        yield from on_each(
            lambda access, deadline: probe(access, deadline=deadline, jumps=jumps),
            accesses,
            workers=workers,
            per_host_deadline=per_host_deadline,
            overall_deadline=overall_deadline,
        )
