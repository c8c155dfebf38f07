"""What a node's change cost: measured on that node by new connections, while it happened."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interruption:
    """Measured on one node, from before its kube-proxy was replaced until it was proven.

    Attributes:
        target: what was connected to, such as `10.96.0.1:443`.
        attempts: new connections that were tried, ten a second.
        failed: those that did not come about within a second.
        longest_gap: milliseconds between two connections that came about, at most; with ten
            attempts a second it is about 100 without any interruption.
        established: connections that ipvs carried at the last look before they were dropped; None
            where that is unknown.
        alive: those of them that conntrack still tracks at the end; None where that is unknown.
        unmeasured: why there is no measurement, or none of all of it; empty where there is.
    """

    target: str = ""
    attempts: int = 0
    failed: int = 0
    longest_gap: int | None = None
    established: int | None = None
    alive: int | None = None
    unmeasured: str = ""

    @property
    def cut(self) -> int | None:
        """Established connections that are tracked no longer: cut, or ended by themselves."""
        if self.established is None or self.alive is None:
            return None
        return self.established - self.alive

    def words(self) -> str:
        """For a person, in one line."""
        if self.longest_gap is None:
            return f"not measured: {self.unmeasured}"
        told = (
            f"longest gap {self.longest_gap:,} ms,"
            f" {self.failed:,} of {self.attempts:,} connections to {self.target} failed"
        )
        return "; ".join(filter(None, (told, self._connections(), self.unmeasured)))

    def _connections(self) -> str:
        if self.established is None:
            return "how many established connections were cut is unknown"
        if self.alive is None:
            return f"{self.established:,} were established through ipvs; their end is unknown"
        return f"{self.cut:,} of {self.established:,} established through ipvs cut"
