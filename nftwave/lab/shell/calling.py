"""Runs simple commands: assignments, functions, programs of the node."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nftwave.lab.shell import expansion
from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.flow import DASH, FunctionReturn
from nftwave.lab.shell.process import Call, find_tool
from nftwave.lab.shell.redirection import Streams, redirected

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell
    from nftwave.lab.shell.language import syntax
    from nftwave.lab.shell.streams import Sink, Source


async def simple(shell: Shell, command: syntax.Simple) -> None:
    """Assignments, a function, a builtin or a program."""
    shell.line = command.line
    # Assignments alone have the status of their last substitution, or 0; but `$?` in them
    # is still the status of the command before.
    shell.substituted = 0
    words = await expansion.fields(shell, command.words)
    try:
        streams = await redirected(shell, command.redirections)
    except FileError as error:
        words_of_shell = shell.dialect.bad_redirection
        await shell.complain(words_of_shell.format(line=command.line, error=error))
        shell.status = 2 if shell.dialect is DASH else 1
        return
    if not words:
        for name, word in command.assignments:
            shell.assign(name, await expansion.text(shell, word))
        shell.status = shell.substituted
        return
    assignments = {name: await expansion.text(shell, word) for name, word in command.assignments}
    await shell.call(words, assignments, streams)


async def function(
    shell: Shell,
    name: str,
    parameters: list[str],
    assignments: dict[str, str],
    streams: Streams,
) -> None:
    """Call a function."""
    saved = shell.parameters, shell.streams
    shell.parameters, shell.streams = parameters, streams
    shell.locals.append({})
    for variable, value in assignments.items():
        shell.assign(variable, value)
    try:
        await shell.command(shell.functions[name])
    except FunctionReturn:
        pass
    finally:
        shell.parameters, shell.streams = saved
        for variable, before in shell.locals.pop().items():
            if before is None:
                shell.variables.pop(variable, None)
            else:
                shell.variables[variable] = before


async def program(
    shell: Shell, words: list[str], assignments: dict[str, str], streams: Streams
) -> int:
    """Run a program of the node."""
    environment = {name: shell.variables[name] for name in shell.exported & set(shell.variables)}
    environment.update(assignments)
    machine = shell.session.machine
    path = find_tool(machine, words[0], shell.variables.get("PATH", ""))
    tool = machine.tool(path) if path else None
    if tool is None:
        message = shell.dialect.not_found.format(shell=shell.name, line=shell.line, name=words[0])
        await cast("Sink", streams[2]).write(message + "\n")
        return 127
    call = Call(
        shell.session,
        words[0].rsplit("/", 1)[-1],
        words[1:],
        environment,
        shell.directory,
        shell.root,
        cast("Source", streams[0]),
        cast("Sink", streams[1]),
        cast("Sink", streams[2]),
    )
    try:
        return await tool(call)
    except FileError as error:
        return await call.error(str(error))
