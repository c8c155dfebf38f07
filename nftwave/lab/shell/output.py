"""`echo`, `printf`, `test` and `[` as builtins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.shell import formatting
from nftwave.lab.shell.conditions import ConditionError, holds

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell


async def echo(shell: Shell, args: list[str]) -> int:
    """`echo`: dash interprets backslashes, bash only with -e."""
    newline, escapes = True, shell.dialect.escapes_in_echo
    flags = "-n" if escapes else "-neE"
    while args and len(args[0]) > 1 and set(args[0]) <= set(flags) and args[0][0] == "-":
        newline = newline and "n" not in args[0]
        escapes = escapes or "e" in args[0]
        args = args[1:]
    text = " ".join(args)
    stop = False
    if escapes:
        text, stop = formatting.unescape(text)
    await shell.write(1, text + ("\n" if newline and not stop else ""))
    return 0


async def printf(shell: Shell, args: list[str]) -> int:
    """`printf`."""
    if not args:
        await shell.complain(f"{shell.line}: printf: usage: printf format [arg ...]")
        return 2
    text, problems = formatting.printf(args[0], args[1:])
    await shell.write(1, text)
    for problem in problems:
        await shell.complain(f"{shell.line}: printf: {problem}")
    return int(bool(problems))


async def test(shell: Shell, args: list[str]) -> int:
    """`test`."""
    try:
        return int(not holds(shell, args))
    except ConditionError as error:
        await shell.complain(f"{shell.line}: test: {error}")
        return 2


async def bracket(shell: Shell, args: list[str]) -> int:
    """`[`."""
    if not args or args[-1] != "]":
        await shell.complain(f"{shell.line}: [: missing ]")
        return 2
    try:
        return int(not holds(shell, args[:-1]))
    except ConditionError as error:
        await shell.complain(f"{shell.line}: [: {error}")
        return 2
