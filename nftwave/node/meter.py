"""Measuring on one node, while its kube-proxy is replaced, what new connections come up against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.interruption import Interruption, read
from nftwave.node.connect import SHARED, open_session
from nftwave.node.host import host_port
from nftwave.node.script import MARK, interruption

if TYPE_CHECKING:
    from nftwave.node.facts import ServicePort
    from nftwave.node.host import Access
    from nftwave.node.jumps import JumpHosts
    from nftwave.node.session import Running, Session

LAST_WORDS = 20.0
"""Seconds that the script gets for its end: an attempt under way, and the list of all connections
that the node tracks."""


class Meter:
    """A measurement under way on one node."""

    def __init__(self, session: Session, running: Running, target: str) -> None:
        self._session = session
        self._running = running
        self._target = target

    @classmethod
    def start(
        cls,
        access: Access,
        target: ServicePort,
        *,
        limit: float,
        deadline: float,
        jumps: JumpHosts = SHARED,
    ) -> Meter:
        """Begin to connect to a Service from a node.

        Args:
            limit: seconds after which it ends by itself.
            deadline: seconds for connecting and starting.

        Raises:
            Unreachable: it could not be started.
        """
        session = open_session(access, deadline=deadline, jumps=jumps)
        try:
            script = interruption(MARK, target, limit=limit)
            running = session.begin(script, deadline=deadline)
        except BaseException:
            session.close()
            raise
        return cls(session, running, host_port(target.address, target.port))

    def stop(self) -> Interruption:
        """End it, and what was measured; where the connection was lost, says so."""
        try:
            output = self._running.finish(deadline=LAST_WORDS)
        except Unreachable as error:
            return Interruption(self._target, unmeasured=error.what)
        finally:
            self._session.close()
        return read(output.stdout.decode("utf-8", "replace"), mark=MARK, target=self._target)
