"""Runs compound commands: groups, `if`, loops, `case`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.shell import expansion
from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.flow import DASH, LoopExit
from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.redirection import redirected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from nftwave.lab.shell.interpreter import Shell


async def compound(
    shell: Shell, command: syntax.Group | syntax.If | syntax.Loop | syntax.For | syntax.Case
) -> None:
    """Run a compound command."""
    before = shell.streams
    try:
        if command.redirections:
            shell.streams = await redirected(shell, command.redirections)
        match command:
            case syntax.Group(body, subshell):
                if subshell:
                    shell.status = await shell.child().subshell(body)
                else:
                    await shell.sequence(body)
            case syntax.If():
                await _conditional(shell, command)
            case syntax.Loop() | syntax.For():
                await _loop(shell, command)
            case syntax.Case():
                await _case(shell, command)
    except FileError as error:
        words_of_shell = shell.dialect.bad_redirection
        await shell.complain(words_of_shell.format(line=shell.line, error=error))
        shell.status = 2 if shell.dialect is DASH else 1
    finally:
        shell.streams = before


async def _test(shell: Shell, condition: syntax.Sequence) -> bool:
    """Run a condition: `set -e` does not count there."""
    shell.condition_depth += 1
    try:
        await shell.sequence(condition)
    finally:
        shell.condition_depth -= 1
    return shell.status == 0


async def _conditional(shell: Shell, command: syntax.If) -> None:
    """`if`."""
    for condition, body in command.branches:
        if condition is None or await _test(shell, condition):
            await shell.sequence(body)
            return
    shell.status = 0


async def _loop(shell: Shell, command: syntax.Loop | syntax.For) -> None:
    """`while`, `until`, `for`."""
    status = 0
    async for _ in _rounds(shell, command):
        try:
            await shell.sequence(command.body)
            status = shell.status
        except LoopExit as leave:
            status = 0
            if leave.levels > 1:
                raise LoopExit(leave.levels - 1, again=leave.again) from None
            if not leave.again:
                break
    shell.status = status


async def _rounds(shell: Shell, command: syntax.Loop | syntax.For) -> AsyncIterator[None]:
    """One item for each round of a loop."""
    if isinstance(command, syntax.Loop):
        while await _test(shell, command.condition) != command.until:
            yield None
        return
    words = command.words
    values: Iterable[str] = (
        tuple(shell.parameters) if words is None else await expansion.fields(shell, words)
    )
    for value in values:
        shell.assign(command.name, value)
        yield None


async def _case(shell: Shell, command: syntax.Case) -> None:
    """`case`."""
    value = await expansion.text(shell, command.word)
    for patterns, body in command.branches:
        for word in patterns:
            if re.fullmatch(await expansion.pattern(shell, word), value, re.DOTALL):
                shell.status = 0
                await shell.sequence(body)
                return
    shell.status = 0
