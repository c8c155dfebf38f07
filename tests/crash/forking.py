"""The other end of warm.py: labs and runs as processes that cost next to nothing to start."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from nftwave.lab import folder as files
from nftwave.lab.launch import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.crash.killing import Point

ROOT = Path(__file__).parents[2]
LAB_WITHIN, RUN_WITHIN = 60.0, 120.0
"""Seconds; what takes longer hangs."""


@dataclass(frozen=True)
class Ended:
    """A run that came to an end.

    Attributes:
        status: exit status, or minus the signal that killed it.
        calls: its mutating calls, as `call_of` names them.
        killed: whether it was killed at the wanted point.
        outcome: what it said at its end; empty where it did not come so far.
    """

    status: int
    calls: tuple[str, ...]
    killed: bool
    outcome: dict[str, Any]
    log: str


class Warm:
    """A warm process, from entering to leaving. Usable from several threads."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.warm"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._ids = itertools.count()
        self._turn = threading.Condition()
        self._ended: dict[int, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            told = json.loads(line)
            with self._turn:
                self._ended[told["id"]] = told["status"]
                self._turn.notify_all()

    def _begin(self, **request: Any) -> int:
        assert self._process.stdin
        number = next(self._ids)
        with self._turn:
            self._process.stdin.write(json.dumps({"id": number, **request}).encode() + b"\n")
            self._process.stdin.flush()
        return number

    @contextmanager
    def lab(self, folder: Path, *, nodes: int, speed: float) -> Iterator[Lab]:
        """A lab of one cluster, as `running_lab`."""
        folder.mkdir(parents=True)
        arguments = ["--nodes", str(nodes), "--speed", str(speed)]
        number = self._begin(what="lab", name="lab", folder=str(folder), arguments=arguments)
        until = time.monotonic() + LAB_WITHIN
        while not (folder / files.STATE).exists():
            log = folder / files.LOG
            ended = number in self._ended or time.monotonic() > until
            assert not ended, f"no lab: {log.read_text()[-2000:] if log.exists() else ''}"
            time.sleep(0.02)
        lab = Lab(folder)
        try:
            yield lab
        finally:
            lab.stop()

    def run(
        self,
        folder: Path,
        flow: str,
        name: str,
        *,
        point: Point | None = None,
        approve_by: str = "auto",
    ) -> Ended:
        """Run a flow in a process of its own, which dies at that point."""
        number = self._begin(
            what="run",
            folder=str(folder),
            name=name,
            flow=flow,
            approve_by=approve_by,
            point=asdict(point) if point else None,
        )
        with self._turn:
            done = self._turn.wait_for(lambda: number in self._ended, RUN_WITHIN)
        log = (folder / f"{name}.log").read_text(errors="replace")
        assert done, f"{flow} hangs: {log[-2000:]}"
        return ended(folder, name, self._ended[number])


def ended(folder: Path, name: str, status: int) -> Ended:
    """What a run has left in its files."""
    calls, outcome = folder / f"{name}.calls", folder / f"{name}.outcome"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return Ended(
        status=status,
        calls=tuple(line for line in lines if line != "killed"),
        killed="killed" in lines,
        outcome=json.loads(outcome.read_text()) if outcome.exists() else {},
        log=(folder / f"{name}.log").read_text(errors="replace"),
    )
