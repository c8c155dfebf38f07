"""What a shell remembers: variables, options, traps, open descriptors, its last status."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Self

from nftwave.lab.shell.expansion import ExpansionError
from nftwave.lab.shell.process import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.shell.flow import Dialect
    from nftwave.lab.shell.language import syntax
    from nftwave.lab.shell.process import Call, Process
    from nftwave.lab.shell.redirection import Streams


class ShellState:
    """The state of one shell process or subshell."""

    def __init__(self, call: Call, dialect: Dialect, parameters: Sequence[str] = ()) -> None:
        self.session = call.session
        self.dialect = dialect
        self.root = call.root
        self.name = call.name
        self.variables = dict(call.environment)
        self.exported = set(call.environment)
        self.readonly: set[str] = set()
        self.functions: dict[str, syntax.Command] = {}
        self.options: set[str] = set()
        self.traps: dict[str, str] = {}
        self.directory = call.directory
        self.streams: Streams = {0: call.stdin, 1: call.stdout, 2: call.stderr}
        self.parameters = list(parameters)
        self.locals: list[dict[str, str | None]] = []
        self.status = 0
        self.substituted = 0  # status of the last command substitution
        self.pid = call.session.machine.next_pid()
        self.background: Process | None = None
        self.jobs: dict[int, Process] = {}
        self.umask = 0o22
        self.line = 1
        self.condition_depth = 0
        self.pending: list[str] = []
        self.interrupted = asyncio.Event()
        self.commands_run = 0

    def child(self) -> Self:
        """A subshell: the same state, changed apart. It has no traps and no jobs."""
        shell = copy.copy(self)
        shell.variables = dict(self.variables)
        shell.exported = set(self.exported)
        shell.readonly = set(self.readonly)
        shell.functions = dict(self.functions)
        shell.options = set(self.options)
        shell.traps = {}
        shell.streams = dict(self.streams)
        shell.parameters = list(self.parameters)
        shell.locals = [dict(names) for names in self.locals]
        shell.jobs = {}
        shell.pending = []
        shell.interrupted = asyncio.Event()
        return shell

    async def complain(self, message: str) -> None:
        """Write a message of the shell's own to standard error."""
        await self.write(2, f"{self.name}: {message}\n")

    async def write(self, fd: int, text: str) -> None:
        """Write to an open descriptor."""
        sink = self.streams.get(fd)
        if sink is not None and text:
            await sink.write(text)  # type: ignore[union-attr]  # opened for reading: as dash, EBADF

    def parameter(self, name: str) -> str | None:
        """The value of a variable or special parameter."""
        if name[0].isalpha() or name[0] == "_":
            return self.variables.get(name)
        if name.isdigit() and name != "0":
            place = int(name) - 1
            return self.parameters[place] if place < len(self.parameters) else None
        special = {
            "?": str(self.status),
            "#": str(len(self.parameters)),
            "@": " ".join(self.parameters),
            "*": " ".join(self.parameters),
            "$": str(self.pid),
            "!": str(self.background.pid) if self.background else None,
            "-": "".join(sorted(self.options)),
        }
        return special.get(name, self.name)

    def assign(self, name: str, value: str) -> None:
        """Set a variable. Raises ExpansionError if it is read-only."""
        if name in self.readonly:
            raise ExpansionError(f"{name}: is read only")
        self.variables[name] = value
        if "a" in self.options:
            self.exported.add(name)

    def trapped(self, number: int) -> bool:
        """Take a signal if there is a trap for it."""
        name = next((name for name, value in SIGNALS.items() if value == number), "")
        if name not in self.traps:
            return False
        self.pending.append(name)
        self.interrupted.set()
        return True
