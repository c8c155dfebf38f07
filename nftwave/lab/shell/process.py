"""Processes on a node: who runs, who gets a signal, what a command sees."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nftwave.lab.shell.streams import BrokenPipe, Sink, Source

if TYPE_CHECKING:
    from nftwave.lab.shell.files import Files

SIGNALS = {
    "HUP": 1,
    "INT": 2,
    "QUIT": 3,
    "KILL": 9,
    "USR1": 10,
    "USR2": 12,
    "PIPE": 13,
    "ALRM": 14,
    "TERM": 15,
}
EXIT_BROKEN_PIPE = 128 + 13


class ConnectError(Exception):
    """No connection; the text is strerror's or getaddrinfo's."""


class Connection(Source, Sink, Protocol):
    """A connection to somewhere else, open as long as somebody has it."""

    async def secure(self) -> bool:
        """Shake hands for TLS; False where the other end speaks none."""
        ...


class Machine(Protocol):
    """What the shell needs to know of a node."""

    @property
    def hostname(self) -> str:
        """The node's name."""
        ...

    @property
    def files(self) -> Files:
        """Its file system."""
        ...

    def tool(self, path: str) -> Tool | None:
        """The program at an absolute path."""
        ...

    @property
    def processes(self) -> dict[int, Process]:
        """What runs, by pid."""
        ...

    def next_pid(self) -> int:
        """A pid nobody had."""
        ...

    async def connect(self, protocol: str, host: str, port: int) -> Connection:
        """Connect by `tcp` or `udp`. Raises ConnectError."""
        ...

    def lasts(self, seconds: float) -> float:
        """How long so many seconds of the node last where it is played."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """One SSH session: its processes end with it."""

    machine: Machine
    processes: set[Process] = field(default_factory=set)

    def start(
        self,
        work: Coroutine[Any, Any, int],
        holds: frozenset[int] = frozenset(),
        *,
        pid: int | None = None,
    ) -> Process:
        """Start a process in the background. `holds`: ids of the streams it has open."""
        process = Process(pid or self.machine.next_pid(), holds)
        process.task = asyncio.get_running_loop().create_task(process.run(work))
        self.processes.add(process)
        self.machine.processes[process.pid] = process
        # Not in `run`: a task that is cancelled before its first step never gets there.
        process.task.add_done_callback(lambda _: self.forget(process, work))
        return process

    def forget(self, process: Process, work: Coroutine[Any, Any, int]) -> None:
        """A process ended."""
        work.close()
        self.processes.discard(process)
        self.machine.processes.pop(process.pid, None)

    def end(self) -> None:
        """End what still runs."""
        for process in tuple(self.processes):
            process.task.cancel()


class Process:
    """A running command with a pid."""

    task: asyncio.Task[int]

    def __init__(self, pid: int, holds: frozenset[int]) -> None:
        self.pid = pid
        self.holds = holds
        self.on_signal: Callable[[int], bool] | None = None
        self._signal = 0

    async def run(self, work: Coroutine[Any, Any, int]) -> int:
        """Run to the exit status."""
        try:
            return await work
        except BrokenPipe:
            return EXIT_BROKEN_PIPE

    @property
    def status(self) -> int:
        """The exit status of an ended process; 128 and the signal's number if one ended it."""
        return 128 + self._signal if self.task.cancelled() else self.task.result()

    async def ended(self) -> int:
        """Wait for the end; gives the exit status. Ends the process if the waiting one is ended."""
        try:
            await asyncio.wait({self.task})
        except asyncio.CancelledError:
            self.task.cancel()
            raise
        return self.status

    def signal(self, number: int) -> None:
        """Deliver a signal; the process may have a trap for it."""
        if number == 0 or (number != SIGNALS["KILL"] and self.on_signal and self.on_signal(number)):
            return
        self._signal = number
        self.task.cancel()


@dataclass(slots=True)
class Call:
    """One command as the program sees it."""

    session: Session
    name: str
    args: list[str]
    environment: Mapping[str, str]
    directory: str
    root: bool
    stdin: Source
    stdout: Sink
    stderr: Sink

    @property
    def machine(self) -> Machine:
        """The node it runs on."""
        return self.session.machine

    async def out(self, text: str) -> None:
        """Write to standard output."""
        if text:
            await self.stdout.write(text)

    async def error(self, text: str, status: int = 1) -> int:
        """Write a message of this program to standard error; gives the exit status back."""
        await self.stderr.write(f"{self.name}: {text}\n")
        return status

    def path(self, name: str) -> str:
        """The absolute path of a name in the current directory."""
        return posixpath.normpath(posixpath.join(self.directory, name))


Tool = Callable[[Call], Awaitable[int]]


def find_tool(machine: Machine, name: str, search: str) -> str | None:
    """The absolute path of a command, as execvp would find it."""
    if "/" in name:
        return name if machine.tool(name) else None
    candidates = (posixpath.join(directory, name) for directory in search.split(":"))
    return next((path for path in candidates if machine.tool(path)), None)
