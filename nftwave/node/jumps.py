"""Jump hosts: one connection to each, shared by all hosts behind it.

sshd opens any number of `direct-tcpip` channels on one connection (MaxSessions counts shells only),
so a fleet behind a bastion costs the bastion one login.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import paramiko

from nftwave.errors import Unreachable
from nftwave.node.host import Access, host_port
from nftwave.node.transport import connect_tcp, secure, stages

if TYPE_CHECKING:
    from types import TracebackType

    from nftwave.node.deadline import Deadline

Route = tuple[Access, ...]
_FAILURE_STANDS = 15.0  # seconds in which nobody else tries a jump host that just failed


@dataclass(slots=True)
class _Hop:
    lock: threading.Lock = field(default_factory=threading.Lock)
    transport: paramiko.Transport | None = None
    leases: int = 0
    failure: Unreachable | None = None
    failed_at: float = 0.0


class JumpHosts:
    """The open connections to jump hosts, by the route that leads to each.

    A connection stays while a host behind it is leased, and, with `keep`, until the pool is
    closed; a dead one is made anew for the next host. Thread-safe.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._hops: dict[Route, _Hop] = {}
        self._lock = threading.Lock()
        self._closed = not keep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what nobody uses now, and the rest when its last lease is returned."""
        with self._lock:
            self._closed = True
            routes = sorted(self._hops, key=len, reverse=True)
        for route in routes:
            self._close_unused(route)

    def channel(self, access: Access, deadline: Deadline) -> paramiko.Channel:
        """A connection to `access` through its jump hosts; leases the route until `release`.

        Raises:
            Unreachable: a jump host cannot be reached, or cannot reach the next.
        """
        route = access.jumps
        self._lease(route, 1)
        try:
            return self._through(route, access, deadline)
        except BaseException:
            self.release(access)
            raise

    def release(self, access: Access) -> None:
        """Give back the lease that `channel` took."""
        self._lease(access.jumps, -1)

    def _lease(self, route: Route, change: int) -> None:
        for length in range(len(route), 0, -1):
            with self._lock:
                self._hops.setdefault(route[:length], _Hop()).leases += change
            self._close_unused(route[:length])

    def _close_unused(self, route: Route) -> None:
        with self._lock:
            hop = self._hops[route]
            unused = hop.transport if self._closed and hop.leases <= 0 else None
        if unused is not None:
            unused.close()

    def _through(self, route: Route, access: Access, deadline: Deadline) -> paramiko.Channel:
        jump = route[-1]
        try:
            transport = self._transport(route, deadline)
        except Unreachable as error:
            raise Unreachable(
                f"jump host {error}", node=access.node, next_step=error.next_step
            ) from error
        target = (access.host, access.port)
        with stages(access, deadline) as stage:
            stage.doing = f"asking jump host {jump.host} to connect to it"
            try:
                return transport.open_channel(
                    "direct-tcpip", target, ("127.0.0.1", 0), timeout=deadline.remaining()
                )
            except paramiko.ChannelException as error:
                why = error.args[-1] if error.args else error
                raise Unreachable(
                    f"{host_port(*target)}: jump host {jump} cannot connect to it: {why}",
                    node=access.node,
                ) from error

    def _transport(self, route: Route, deadline: Deadline) -> paramiko.Transport:
        with self._lock:
            hop = self._hops[route]
        if not hop.lock.acquire(timeout=deadline.remaining()):
            raise Unreachable(
                f"{host_port(route[-1].host, route[-1].port)}: still not connected after "
                f"{deadline.seconds:g} s",
                node=route[-1].node,
            )
        try:
            return self._open(hop, route, deadline)
        finally:
            hop.lock.release()

    def _open(self, hop: _Hop, route: Route, deadline: Deadline) -> paramiko.Transport:
        if hop.transport is not None and hop.transport.is_active():
            return hop.transport
        if hop.failure and time.monotonic() - hop.failed_at < _FAILURE_STANDS:
            raise Unreachable(
                hop.failure.what, node=hop.failure.node, next_step=hop.failure.next_step
            ) from hop.failure
        try:
            hop.transport = self._connect(route, deadline)
        except Unreachable as error:
            hop.failure, hop.failed_at = error, time.monotonic()
            raise
        return hop.transport

    def _connect(self, route: Route, deadline: Deadline) -> paramiko.Transport:
        jump = route[-1]
        if len(route) == 1:
            return secure(jump, lambda left: connect_tcp(jump, left), deadline)
        behind = route[:-1]
        return secure(jump, lambda left: self._through(behind, jump, left), deadline)
