"""Commands that the shell runs itself."""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nftwave.lab.shell import jobs, output, variables
from nftwave.lab.shell.flow import FunctionReturn, LoopExit, ShellExit
from nftwave.lab.shell.language.parser import parse
from nftwave.lab.shell.language.reader import RESERVED
from nftwave.lab.shell.process import find_tool

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell

NOT_FOUND = 127


async def colon(_shell: Shell, _args: list[str]) -> int:
    """`:` and `true`."""
    return 0


async def false(_shell: Shell, _args: list[str]) -> int:
    """`false`."""
    return 1


async def cd(shell: Shell, args: list[str]) -> int:
    """`cd`."""
    target = args[0] if args else shell.variables.get("HOME", "/")
    path = posixpath.normpath(posixpath.join(shell.directory, target))
    if not shell.session.machine.files.is_directory(path):
        await shell.complain(f"{shell.line}: cd: can't cd to {target}")
        return 2
    shell.directory = path
    shell.variables["PWD"] = path
    return 0


async def pwd(shell: Shell, _args: list[str]) -> int:
    """`pwd`."""
    await shell.write(1, shell.directory + "\n")
    return 0


async def leave_loop(_shell: Shell, args: list[str]) -> int:
    """`break`."""
    raise LoopExit(int(args[0]) if args else 1, again=False)


async def continue_loop(_shell: Shell, args: list[str]) -> int:
    """`continue`."""
    raise LoopExit(int(args[0]) if args else 1, again=True)


async def return_(shell: Shell, args: list[str]) -> int:
    """`return`."""
    shell.status = int(args[0]) & 255 if args else shell.status
    raise FunctionReturn


async def exit_(shell: Shell, args: list[str]) -> int:
    """`exit`."""
    if args and not args[0].isdigit():
        await shell.complain(f"{shell.line}: exit: Illegal number: {args[0]}")
        shell.status = 2
    elif args:
        shell.status = int(args[0]) & 255
    raise ShellExit


async def eval_(shell: Shell, args: list[str]) -> int:
    """`eval`."""
    return await run_text(shell, " ".join(args))


async def dot(shell: Shell, args: list[str]) -> int:
    """`.`."""
    path = posixpath.join(shell.directory, args[0])
    return await run_text(shell, shell.session.machine.files.read(path, root=shell.root))


async def run_text(shell: Shell, text: str) -> int:
    """Run a script in this shell."""
    program = parse(text)
    shell.status = 0
    await shell.sequence(program.body)
    if program.error:
        await shell.complain(program.error)
        shell.status = 2
        raise ShellExit
    return shell.status


async def command(shell: Shell, args: list[str]) -> int:
    """`command`: without functions; -v and -V say what a name is."""
    verbose = bool(args) and args[0] in {"-v", "-V"}
    if not verbose:
        await shell.call(args, {}, shell.streams, functions=False)
        return shell.status
    name = args[1]
    what = describe(shell, name)
    if args[0] == "-V":
        kind = f"is {what}" if what != name else "is a shell builtin"
        await shell.write(1, f"{name} {kind}\n" if what else f"{name}: not found\n")
    elif what:
        await shell.write(1, what + "\n")
    return 0 if what else NOT_FOUND


def describe(shell: Shell, name: str) -> str:
    """What `command -v` prints."""
    if name in shell.functions or name in BUILTINS or name in RESERVED:
        return name
    return find_tool(shell.session.machine, name, shell.variables.get("PATH", "")) or ""


async def type_(shell: Shell, args: list[str]) -> int:
    """`type`."""
    return await command(shell, ["-V", *args])


async def exec_(shell: Shell, args: list[str]) -> int:
    """`exec`: keeps the redirections, or becomes the command."""
    if args:
        await shell.call(args, {}, shell.streams, functions=False)
        raise ShellExit
    return 0


Builtin = Callable[["Shell", list[str]], Awaitable[int]]
BUILTINS: dict[str, Builtin] = {
    ":": colon,
    "true": colon,
    "false": false,
    "echo": output.echo,
    "printf": output.printf,
    "test": output.test,
    "[": output.bracket,
    "cd": cd,
    "pwd": pwd,
    "export": variables.export,
    "readonly": variables.readonly,
    "unset": variables.unset,
    "set": variables.set_,
    "shift": variables.shift,
    "break": leave_loop,
    "continue": continue_loop,
    "return": return_,
    "exit": exit_,
    "eval": eval_,
    ".": dot,
    "trap": jobs.trap,
    "wait": jobs.wait,
    "kill": jobs.kill,
    "read": variables.read,
    "command": command,
    "type": type_,
    "umask": variables.umask,
    "local": variables.local,
    "getopts": variables.getopts,
    "exec": exec_,
    "times": jobs.times,
}
