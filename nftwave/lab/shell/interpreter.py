"""A POSIX shell: runs what the parser found. Foreground commands run in the shell's own task."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, cast

from nftwave.lab.shell import builtins, expansion, syntax
from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.flow import DASH, FunctionReturn, LoopExit, ShellExit
from nftwave.lab.shell.parser import parse
from nftwave.lab.shell.process import EXIT_BROKEN_PIPE, Call, find_tool
from nftwave.lab.shell.redirection import Streams, held, redirected
from nftwave.lab.shell.state import ShellState
from nftwave.lab.shell.streams import BrokenPipe, Capture, Content, Pipe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from nftwave.lab.shell.streams import Sink, Source

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
                await self.simple(command)
            elif isinstance(command, syntax.Function):
                self.functions[command.name] = command.body
                self.status = 0
            else:
                await self.compound(command)
        except expansion.ExpansionError as error:
            await self.complain(f"{self.line}: {error}")
            self.status = 2
            raise ShellExit from error
        except BrokenPipe as error:
            self.status = EXIT_BROKEN_PIPE
            raise ShellExit from error

    async def compound(
        self, command: syntax.Group | syntax.If | syntax.Loop | syntax.For | syntax.Case
    ) -> None:
        """Run a compound command."""
        before = self.streams
        try:
            if command.redirections:
                self.streams = await redirected(self, command.redirections)
            match command:
                case syntax.Group(body, subshell):
                    if subshell:
                        self.status = await self.child().subshell(body)
                    else:
                        await self.sequence(body)
                case syntax.If():
                    await self.conditional(command)
                case syntax.Loop() | syntax.For():
                    await self.loop(command)
                case syntax.Case():
                    await self.case(command)
        except FileError as error:
            await self.complain(f"{self.line}: {error}")
            self.status = 2
        finally:
            self.streams = before

    async def test(self, condition: syntax.Sequence) -> bool:
        """Run a condition: `set -e` does not count there."""
        self.condition_depth += 1
        try:
            await self.sequence(condition)
        finally:
            self.condition_depth -= 1
        return self.status == 0

    async def conditional(self, command: syntax.If) -> None:
        """`if`."""
        for condition, body in command.branches:
            if condition is None or await self.test(condition):
                await self.sequence(body)
                return
        self.status = 0

    async def loop(self, command: syntax.Loop | syntax.For) -> None:
        """`while`, `until`, `for`."""
        status = 0
        async for _ in self.rounds(command):
            try:
                await self.sequence(command.body)
                status = self.status
            except LoopExit as leave:
                status = 0
                if leave.levels > 1:
                    raise LoopExit(leave.levels - 1, again=leave.again) from None
                if not leave.again:
                    break
        self.status = status

    async def rounds(self, command: syntax.Loop | syntax.For) -> AsyncIterator[None]:
        """One item for each round of a loop."""
        if isinstance(command, syntax.Loop):
            while await self.test(command.condition) != command.until:
                yield None
            return
        words = command.words
        values: Iterable[str] = (
            tuple(self.parameters) if words is None else await expansion.fields(self, words)
        )
        for value in values:
            self.assign(command.name, value)
            yield None

    async def case(self, command: syntax.Case) -> None:
        """`case`."""
        value = await expansion.text(self, command.word)
        for patterns, body in command.branches:
            for word in patterns:
                if re.fullmatch(await expansion.pattern(self, word), value, re.DOTALL):
                    self.status = 0
                    await self.sequence(body)
                    return
        self.status = 0

    async def simple(self, command: syntax.Simple) -> None:
        """Assignments, a function, a builtin or a program."""
        self.line = command.line
        # Assignments alone have the status of their last substitution, or 0; but `$?` in them
        # is still the status of the command before.
        self.substituted = 0
        words = await expansion.fields(self, command.words)
        try:
            streams = await redirected(self, command.redirections)
        except FileError as error:
            await self.complain(f"{command.line}: {error}")
            self.status = 2 if self.dialect is DASH else 1
            return
        if not words:
            for name, word in command.assignments:
                self.assign(name, await expansion.text(self, word))
            self.status = self.substituted
            return
        assignments = {name: await expansion.text(self, word) for name, word in command.assignments}
        await self.call(words, assignments, streams)

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
            await self.function(name, words[1:], assignments, streams)
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
            self.status = await self.program(words, assignments, streams)

    async def function(
        self,
        name: str,
        parameters: list[str],
        assignments: dict[str, str],
        streams: Streams,
    ) -> None:
        """Call a function."""
        saved = self.parameters, self.streams
        self.parameters, self.streams = parameters, streams
        self.locals.append({})
        for variable, value in assignments.items():
            self.assign(variable, value)
        try:
            await self.command(self.functions[name])
        except FunctionReturn:
            pass
        finally:
            self.parameters, self.streams = saved
            for variable, before in self.locals.pop().items():
                if before is None:
                    self.variables.pop(variable, None)
                else:
                    self.variables[variable] = before

    async def program(self, words: list[str], assignments: dict[str, str], streams: Streams) -> int:
        """Run a program of the node."""
        environment = {name: self.variables[name] for name in self.exported & set(self.variables)}
        environment.update(assignments)
        machine = self.session.machine
        path = find_tool(machine, words[0], self.variables.get("PATH", ""))
        tool = machine.tool(path) if path else None
        if tool is None:
            message = self.dialect.not_found
            await self.write_to(
                streams, message.format(shell=self.name, line=self.line, name=words[0]) + "\n"
            )
            return 127
        call = Call(
            self.session,
            words[0].rsplit("/", 1)[-1],
            words[1:],
            environment,
            self.directory,
            self.root,
            cast("Source", streams[0]),
            cast("Sink", streams[1]),
            cast("Sink", streams[2]),
        )
        try:
            return await tool(call)
        except FileError as error:
            return await call.error(str(error))

    async def write_to(self, streams: Streams, text: str) -> None:
        """Write to standard error as redirected for one command."""
        await streams[2].write(text)  # type: ignore[union-attr]

    async def run_pending(self) -> None:
        """Run the traps of signals that came in."""
        while self.pending:
            action = self.traps.get(self.pending.pop(0), "")
            status = self.status
            await self.sequence(parse(action).body)
            self.status = status
