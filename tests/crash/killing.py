"""Count what a process changes in a cluster, and die right before or right after one of it.

Put around the gateway's one way out from outside: the product knows nothing of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

READS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
"""A POST that asks something and changes nothing."""
MOMENTS = ("before", "after")
EVICTION = "evict a pod"


@dataclass(frozen=True)
class Point:
    """The moment right before or right after a mutating call of a process.

    Attributes:
        call: what it does, as `call_of` names it.
        nth: which one of those, from 1. Counted for each kind alone: how many evictions a drain
            takes depends on where pods happen to be.
    """

    call: str
    nth: int
    moment: str

    def __str__(self) -> str:
        return f"{self.moment} {self.call} #{self.nth}"


def call_of(method: str, path: str) -> str:
    """What a request does, such as `PUT configmaps/nftwave`; pods and nodes without their names."""
    parts = path.split("/")
    if parts[-1] == "eviction":
        return EVICTION
    if "pods" in parts or "nodes" in parts:
        return f"{method} {parts[-2]}"
    names = parts[parts.index("namespaces") + 2 :]
    return f"{method} {'/'.join(names)}"


def is_change(method: str, path: str, query: Any) -> bool:
    """Whether a request is one that changes the cluster and that comes at a certain step.

    Not counted: dry runs, and the renewals of the lock, which come by the clock.
    """
    if method == "GET" or (query or {}).get("dryRun") or path.rpartition("/")[2] in READS:
        return False
    return threading.current_thread().name != "lock"


def watch(journal: Path, point: Point | None) -> None:
    """Write each mutating call of this process into a file, and die at that point."""
    from nftwave.kube.gateway import Gateway

    plain = Gateway._body
    made: Counter[str] = Counter()
    turn = threading.Lock()
    out = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def die(call: str, nth: int, moment: str) -> None:
        if point == Point(call, nth, moment):
            os.write(out, b"killed\n")
            os.kill(os.getpid(), signal.SIGKILL)

    def body(self: Any, method: str, path: str, *rest: Any, **options: Any) -> bytes:
        query = rest[0] if rest else options.get("query")
        if not is_change(method, path, query):
            return plain(self, method, path, *rest, **options)
        call = call_of(method, path)
        with turn:
            made[call] += 1
            nth = made[call]
            os.write(out, f"{call}\n".encode())
        die(call, nth, "before")
        try:
            return plain(self, method, path, *rest, **options)
        finally:
            die(call, nth, "after")

    Gateway._body = body  # type: ignore[method-assign]
