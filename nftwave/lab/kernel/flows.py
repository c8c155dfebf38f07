"""TCP connections that programs on the node have open, as the kernel tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from nftwave.lab.kernel.ipvs import Connection

Endpoint = tuple[str, int]
FIRST_PORT, LAST_PORT = 32768, 60999  # net.ipv4.ip_local_port_range


@dataclass(eq=False, slots=True, weakref_slot=True)
class Flow:
    """One connection from the node.

    Attributes:
        source: its own end.
        destination: where it was opened to.
        backend: who answers: another one where a Service is in between.
        through: what carries it there, `ipvs`, `nftables`, or nothing.
        replies_to: the port that the backend sees: masqueraded, where a Service is in between.
        cut: its packets go nowhere any more.
    """

    source: Endpoint
    destination: Endpoint
    backend: Endpoint
    through: str
    replies_to: Endpoint
    cut: bool = False

    def in_ipvs(self) -> Connection:
        """The row of /proc/net/ip_vs_conn."""
        return Connection("TCP", *self.source, *self.destination, *self.backend)

    def in_conntrack(self) -> str:
        """The row of `conntrack -L` (recorded)."""
        source, port = self.source
        destination, destination_port = self.destination
        backend, backend_port = self.backend
        seen, seen_port = self.replies_to
        return (
            f"tcp      6 86399 ESTABLISHED src={source} dst={destination} sport={port} "
            f"dport={destination_port} src={backend} dst={seen} sport={backend_port} "
            f"dport={seen_port} [ASSURED] mark=0 use=1\n"
        )
