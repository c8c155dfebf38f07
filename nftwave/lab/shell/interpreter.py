"""A POSIX shell: runs what the parser found. Foreground commands run in the shell's own task."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from nftwave.lab.shell import builtins, calling, control, expansion
from nftwave.lab.shell.flow import FunctionReturn, LoopExit, ShellExit
from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.language.parser import parse
from nftwave.lab.shell.process import EXIT_BROKEN_PIPE
from nftwave.lab.shell.redirection import Streams, held
from nftwave.lab.shell.state import ShellState
from nftwave.lab.shell.streams import BrokenPipe, Capture, Content, Pipe

if TYPE_CHECKING:
    from collections.abc import Sequence

YIELD_EVERY = 64  # commands; so that a busy loop on one node does not hold up the others


class Shell(ShellState):
    """One shell process or subshell."""

    async def run(self, script: str) -> int:
        """Run a script to its end, traps on EXIT included. Gives the exit status."""
        program = parse(script)
        try:
            await self.sequence(program.body)
            if program.error:
                await self.complain(program.error)
                self.status = 2
        except (ShellExit, FunctionReturn, LoopExit):
            pass
        return await self.finish()

    async def finish(self) -> int:
        """Run the trap on EXIT."""
        action = self.traps.pop("EXIT", "")
        if action:
            status = self.status
            try:
                await self.sequence(parse(action).body)
                self.status = status
            except ShellExit:
                pass
        return self.status

    async def substitute(self, program: syntax.Program) -> str:
        """The output of a command substitution."""
        capture = Capture()
        shell = self.child()
        shell.streams[1] = capture
        self.substituted = await shell.subshell(program.body)
        return capture.text

    async def subshell(self, body: syntax.Sequence) -> int:
        """Run a body in this shell, which is a child, to its exit status."""
        with contextlib.suppress(ShellExit, FunctionReturn, LoopExit):
            await self.sequence(body)
        return await self.finish()

    async def sequence(self, body: syntax.Sequence) -> None:
        """Run lists one after the other."""
        for item in body.items:
            if item.background:
                self.start(item)
            else:
                await self.and_or(item)

    def start(self, item: syntax.AndOr) -> None:
        """Run a list in the background."""
        shell = self.child()
        shell.streams[0] = Content("")
        body = syntax.Sequence((syntax.AndOr(item.links, background=False),))
        holds = held(item, shell.streams)
        self.background = self.session.start(shell.subshell(body), holds)
        self.background.on_signal = shell.trapped
        self.jobs[self.background.pid] = self.background
        self.status = 0

    async def and_or(self, item: syntax.AndOr) -> None:
        """Run pipelines joined by && and ||."""
        last = len(item.links) - 1
        for place, (joint, pipeline) in enumerate(item.links):
            if (joint == "&&" and self.status) or (joint == "||" and not self.status):
                continue
            tested = place < last or pipeline.negated
            self.condition_depth += tested
            try:
                await self.pipeline(pipeline)
            finally:
                self.condition_depth -= tested
            if self.status and "e" in self.options and not (tested or self.condition_depth):
                raise ShellExit

    async def pipeline(self, pipeline: syntax.Pipeline) -> None:
        """Run commands joined by |."""
        if len(pipeline.commands) == 1:
            await self.command(pipeline.commands[0])
        else:
            await self.piped(pipeline.commands)
        if pipeline.negated:
            self.status = int(not self.status)
        await self.run_pending()

    async def piped(self, commands: Sequence[syntax.Command]) -> None:
        """Run each command in a child, all at the same time."""
        source: Pipe | None = None
        stages = []
        for place, command in enumerate(commands):
            shell = self.child()
            sink = None
            if source:
                shell.streams[0] = source
            if place < len(commands) - 1:
                sink = shell.streams[1] = Pipe()
            stages.append(self.session.start(shell.stage(command, source, sink)))
            source = sink
        statuses = await asyncio.gather(*(stage.ended() for stage in stages))
        failed = [status for status in statuses if status]
        self.status = failed[-1] if failed and "pipefail" in self.options else statuses[-1]

    async def stage(self, command: syntax.Command, source: Pipe | None, sink: Pipe | None) -> int:
        """One command of a pipeline."""
        links = (("first", syntax.Pipeline((command,), negated=False)),)
        try:
            return await self.subshell(syntax.Sequence((syntax.AndOr(links, background=False),)))  # type: ignore[arg-type]
        finally:
            if source:
                source.abandon()
            if sink:
                sink.end()

    async def command(self, command: syntax.Command) -> None:
        """Run one command with its redirections."""
        self.commands_run += 1
        if self.commands_run % YIELD_EVERY == 0:
            await asyncio.sleep(0)
        try:
            if isinstance(command, syntax.Simple):
                await calling.simple(self, command)
            elif isinstance(command, syntax.Function):
                self.functions[command.name] = command.body
                self.status = 0
            else:
                await control.compound(self, command)
        except expansion.ExpansionError as error:
            await self.complain(f"{self.line}: {error}")
            self.status = 2
            raise ShellExit from error
        except BrokenPipe as error:
            self.status = EXIT_BROKEN_PIPE
            raise ShellExit from error

    async def call(
        self,
        words: list[str],
        assignments: dict[str, str],
        streams: Streams,
        *,
        functions: bool = True,
    ) -> None:
        """Run a command that is known word by word."""
        name = words[0]
        if functions and name in self.functions:
            await calling.function(self, name, words[1:], assignments, streams)
        elif builtin := builtins.BUILTINS.get(name):
            saved, self.streams = self.streams, streams
            for variable, value in assignments.items():
                self.assign(variable, value)
            try:
                self.status = await builtin(self, words[1:])
            finally:
                if name != "exec":
                    self.streams = saved
        else:
            self.status = await calling.program(self, words, assignments, streams)

    async def run_pending(self) -> None:
        """Run the traps of signals that came in."""
        while self.pending:
            action = self.traps.get(self.pending.pop(0), "")
            status = self.status
            await self.sequence(parse(action).body)
            self.status = status
