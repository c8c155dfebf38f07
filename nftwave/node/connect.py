"""From an `Access` to a session, directly or through jump hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.node.deadline import Deadline
from nftwave.node.jumps import JumpHosts
from nftwave.node.session import Session
from nftwave.node.transport import connect_tcp, secure

if TYPE_CHECKING:
    import paramiko

    from nftwave.node.host import Access

SHARED = JumpHosts(keep=False)
"""The jump hosts of sessions that name no pool: shared while any of them is open."""


def open_session(
    access: Access, *, deadline: float | Deadline, jumps: JumpHosts = SHARED
) -> Session:
    """Connect, verify the host's key, log in.

    Args:
        access: the host.
        deadline: seconds for all of it, jump hosts included.
        jumps: the connections to jump hosts that are shared with other sessions.

    Raises:
        Unreachable: says which stage was reached, the reason, and what can be done.
    """
    limit = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
    if access.connect_timeout is not None and access.connect_timeout < limit.remaining():
        limit = Deadline(access.connect_timeout)
    if not access.jumps:
        transport = secure(access, lambda left: connect_tcp(access, left), limit)
        return Session(access, transport, lambda: None)

    leases = 0

    def dial(left: Deadline) -> paramiko.Channel:
        nonlocal leases
        channel = jumps.channel(access, left)
        leases += 1
        return channel

    def release() -> None:
        for _ in range(leases):
            jumps.release(access)

    try:
        transport = secure(access, dial, limit)
    except BaseException:
        release()
        raise
    return Session(access, transport, release)
