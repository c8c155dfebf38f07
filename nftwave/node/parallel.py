"""The same work on many hosts: so many at once, each in its own time, results as they come."""

from __future__ import annotations

import queue
import random
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from nftwave.errors import Unreachable
from nftwave.node.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
R = TypeVar("R")
_JITTER = 0.01  # seconds by which the workers' starts are spread, each


def on_each(
    work: Callable[[T, Deadline], R],
    hosts: Mapping[str, T],
    *,
    workers: int,
    per_host_deadline: float,
    overall_deadline: float,
) -> Iterator[tuple[str, R | Unreachable]]:
    """Run `work` on every host, at most `workers` at once; yield (name, result) as each ends.

    Deadlines are in seconds; a host's own begins when it is its turn. Whatever `work` raises comes
    out as Unreachable with that host's name, so one host never ends the others. When the consumer
    stops (Ctrl-C, a closed iterator), what is under way is cut off and nothing new begins.
    """
    crew = _Crew(work, hosts, per_host_deadline, Deadline(overall_deadline))
    left = dict.fromkeys(hosts)
    try:
        crew.start(min(workers, len(hosts)))
        while left:
            try:
                name, result = crew.done.get(timeout=crew.overall.remaining())
            except queue.Empty:
                break
            del left[name]
            yield name, result
    finally:
        crew.stop()
    for name in left:
        yield (
            name,
            Unreachable(f"not answered within the {overall_deadline:g} s for all nodes", node=name),
        )


class _Crew(Generic[T, R]):
    """The workers: daemon threads, so that a stop never waits for a host that hangs."""

    def __init__(
        self,
        work: Callable[[T, Deadline], R],
        hosts: Mapping[str, T],
        per_host: float,
        overall: Deadline,
    ) -> None:
        self.overall = overall
        self.done: queue.SimpleQueue[tuple[str, R | Unreachable]] = queue.SimpleQueue()
        self._work = work
        self._per_host = per_host
        self._waiting = deque(hosts.items())
        self._running: set[Deadline] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def start(self, workers: int) -> None:
        for number in range(workers):
            threading.Thread(
                target=self._work_through, name=f"node-{number}", args=(workers,), daemon=True
            ).start()

    def stop(self) -> None:
        self._stopped.set()
        with self._lock:
            self._waiting.clear()
            running = list(self._running)
        for deadline in running:
            # Closing waits for the connection's own thread; a stop does not.
            threading.Thread(target=deadline.expire, daemon=True).start()

    def _work_through(self, workers: int) -> None:
        self._stopped.wait(random.uniform(0, workers * _JITTER))  # noqa: S311 - no secret
        while True:
            with self._lock:
                if not self._waiting:
                    return
                name, host = self._waiting.popleft()
                deadline = Deadline(min(self._per_host, self.overall.remaining()))
                self._running.add(deadline)
            result = self._one(name, host, deadline)
            with self._lock:
                self._running.discard(deadline)
            self.done.put((name, result))

    def _one(self, name: str, host: T, deadline: Deadline) -> R | Unreachable:
        try:
            return self._work(host, deadline)
        except Unreachable as error:
            return error
        except Exception as error:  # noqa: BLE001 - one host's surprise must not end the others
            return Unreachable(f"{type(error).__name__}: {error}", node=name)
