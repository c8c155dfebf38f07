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


def read(text: str, *, mark: str, target: str) -> Interruption:
    """What `node/interruption.sh` printed. Never raises; what cannot be read is not measured."""
    lines = [line.split() for line in text.splitlines() if line.startswith(f"{mark} ")]
    if any(words[1:] == ["none"] for words in lines):
        why = "none of bash, nc, curl and python3 is on the node"
        return Interruption(target, unmeasured=why)
    tallies = [_numbers(words[2:], 5) for words in lines if words[1:2] == ["tally"]]
    if not tallies or tallies[-1] is None:
        return Interruption(target, unmeasured="the node did not tell")
    count, failed, longest, last, now = tallies[-1]
    found = [words[2:] for words in lines if words[1:2] == ["connections"] and len(words) == 4]
    established, alive = map(_number, found[-1]) if found else (None, None)
    return Interruption(
        target,
        attempts=count,
        failed=failed,
        # Nothing may have come about until the very end. The clock has hundredths of a second.
        longest_gap=10 * max(longest, now - last),
        established=established,
        alive=alive,
        unmeasured="" if found else "the connection to the node was lost before the end",
    )


def _numbers(words: list[str], count: int) -> list[int] | None:
    found = [_number(word) for word in words]
    whole = [number for number in found if number is not None]
    return whole if len(whole) == len(words) == count else None


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 16 else None
