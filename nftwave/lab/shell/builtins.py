"""Commands that the shell runs itself."""

from __future__ import annotations

import asyncio
import posixpath
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nftwave.lab.shell import formatting
from nftwave.lab.shell.conditions import ConditionError, holds
from nftwave.lab.shell.flow import DASH, FunctionReturn, LoopExit, ShellExit
from nftwave.lab.shell.parser import parse
from nftwave.lab.shell.process import SIGNALS, find_tool
from nftwave.lab.shell.words import RESERVED

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell

OPTIONS = {"errexit": "e", "nounset": "u", "xtrace": "x", "noglob": "f", "noexec": "n",
           "allexport": "a", "verbose": "v", "noclobber": "C", "pipefail": "pipefail"}  # fmt: skip
STOPPED_BY_SIGNAL = 128
NOT_FOUND = 127


async def colon(_shell: Shell, _args: list[str]) -> int:
    """`:` and `true`."""
    return 0


async def false(_shell: Shell, _args: list[str]) -> int:
    """`false`."""
    return 1


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


async def export(shell: Shell, args: list[str]) -> int:
    """`export`."""
    return await declare(shell, args, shell.exported, "export")


async def readonly(shell: Shell, args: list[str]) -> int:
    """`readonly`."""
    return await declare(shell, args, shell.readonly, "readonly")


async def declare(shell: Shell, args: list[str], marked: set[str], word: str) -> int:
    """Mark variables, with or without a value; list them without arguments."""
    names = [argument for argument in args if argument not in {"-p", "--"}]
    if not names:
        lines = [f"{word} {name}='{shell.variables.get(name, '')}'\n" for name in sorted(marked)]
        await shell.write(1, "".join(lines))
    for argument in names:
        name, equals, value = argument.partition("=")
        if equals:
            shell.assign(name, value)
        marked.add(name)
    return 0


async def unset(shell: Shell, args: list[str]) -> int:
    """`unset`."""
    for name in args:
        if name == "-f":
            for function in args:
                shell.functions.pop(function, None)
            break
        shell.variables.pop(name, None)
    return 0


async def set_(shell: Shell, args: list[str]) -> int:
    """`set`: options and positional parameters."""
    if not args:
        lines = [f"{name}='{value}'\n" for name, value in sorted(shell.variables.items())]
        await shell.write(1, "".join(lines))
    while args and args[0][:1] in {"-", "+"} and len(args[0]) > 1:
        flag = args.pop(0)
        if flag == "--":
            shell.parameters = args
            return 0
        change = shell.options.add if flag[0] == "-" else shell.options.discard
        for letter in flag[1:]:
            option = OPTIONS.get(args.pop(0), "") if letter == "o" and args else letter
            if not option or (option == "pipefail" and shell.dialect is DASH):
                await shell.complain(f"{shell.line}: set: Illegal option -o pipefail")
                shell.status = 2
                raise ShellExit
            change(option)
    if args:
        shell.parameters = args
    return 0


async def shift(shell: Shell, args: list[str]) -> int:
    """`shift`."""
    count = int(args[0]) if args else 1
    if count > len(shell.parameters):
        await shell.complain(f"{shell.line}: shift: can't shift that many")
        shell.status = 2
        raise ShellExit
    del shell.parameters[:count]
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


async def trap(shell: Shell, args: list[str]) -> int:
    """`trap`."""
    if not args:
        for name, action in shell.traps.items():
            await shell.write(1, f"trap -- '{action}' {name}\n")
        return 0
    action, *names = args if args[0] != "--" else args[1:]
    if not names:
        action, names = "-", [action]
    numbers = {str(number): name for name, number in SIGNALS.items()} | {"0": "EXIT"}
    for given in names:
        name = numbers.get(given, given.removeprefix("SIG"))
        if name != "EXIT" and name not in SIGNALS:
            await shell.complain(f"{shell.line}: trap: {given}: bad trap")
            return 1
        if action == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = action
    return 0


async def wait(shell: Shell, args: list[str]) -> int:
    """`wait`: for a process, or for all. A trapped signal ends the wait."""
    status = 0
    for pid in [int(one) for one in args] or list(shell.jobs):
        process = shell.jobs.get(pid)
        if process is None:
            status = 127
            continue
        shell.interrupted.clear()
        interruption = asyncio.ensure_future(shell.interrupted.wait())
        await asyncio.wait({process.task, interruption}, return_when=asyncio.FIRST_COMPLETED)
        interruption.cancel()
        if not process.task.done():
            return STOPPED_BY_SIGNAL + SIGNALS.get(shell.pending[0], 0) if shell.pending else 0
        shell.jobs.pop(pid)
        status = process.status
    return status if args else 0


async def kill(shell: Shell, args: list[str]) -> int:
    """`kill`."""
    name = "TERM"
    if args and args[0] == "-s" and len(args) > 1:
        name, args = args[1], args[2:]
    elif args and args[0] == "-l":
        await shell.write(1, "\n".join(SIGNALS) + "\n")
        return 0
    elif args and args[0].startswith("-"):
        name, args = args[0][1:], args[1:]
    signal = int(name) if name.isdigit() else SIGNALS.get(name.removeprefix("SIG"), 15)
    status = 0
    for target in args:
        process = shell.session.machine.processes.get(int(target) if target.isdigit() else -1)
        if process is None:
            await shell.complain(f"{shell.line}: kill: No such process")
            status = 1
            continue
        process.signal(signal)
    await asyncio.sleep(0)
    return status


async def read(shell: Shell, args: list[str]) -> int:
    """`read`."""
    raw = False
    while args and args[0].startswith("-"):
        raw = raw or "r" in args[0]
        args = args[1:]
    source = shell.streams.get(0)
    line = await source.readline() if source else ""  # type: ignore[union-attr]
    complete = line.endswith("\n")
    while not raw and line.endswith("\\\n"):
        line = line[:-2] + await source.readline()  # type: ignore[union-attr]
    text = line.removesuffix("\n")
    if not raw:
        text = re.sub(r"\\(.)", r"\1", text)
    for name, value in zip(args, read_fields(shell, text, len(args)), strict=True):
        shell.assign(name, value)
    return int(not complete)


def read_fields(shell: Shell, text: str, count: int) -> list[str]:
    """Split a line for `read`: the last name gets the rest."""
    ifs = shell.variables.get("IFS", " \t\n")
    blank = "".join(character for character in ifs if character in " \t\n")
    other = "".join(character for character in ifs if character not in blank)
    text = text.strip(blank) if blank else text
    found = []
    blanks = f"[{re.escape(blank)}]*" if blank else ""
    choices = [f"{blanks}[{re.escape(other)}]{blanks}"] if other else []
    choices += [f"[{re.escape(blank)}]+"] if blank else []
    separator = re.compile("|".join(choices) or "(?!)")
    for _ in range(count - 1):
        match = separator.search(text)
        found.append(text[: match.start()] if match else text)
        text = text[match.end() :] if match else ""
    rest = separator.fullmatch(text[len(text.rstrip(ifs)) :]) if text else None
    if rest and len(separator.findall(text)) == 1:
        text = text[: rest.start() + len(text.rstrip(ifs))]
    return [*found, text][:count]


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


async def umask(shell: Shell, args: list[str]) -> int:
    """`umask`."""
    if args:
        shell.umask = int(args[0], 8)
    else:
        await shell.write(1, f"{shell.umask:04o}\n")
    return 0


async def local(shell: Shell, args: list[str]) -> int:
    """`local`."""
    if not shell.locals:
        await shell.complain(f"{shell.line}: local: not in a function")
        return 2
    for argument in args:
        name, equals, value = argument.partition("=")
        shell.locals[-1].setdefault(name, shell.variables.get(name))
        if equals:
            shell.assign(name, value)
    return 0


async def getopts(shell: Shell, args: list[str]) -> int:
    """`getopts`."""
    letters, name, *given = args
    words = given or shell.parameters
    place = int(shell.variables.get("OPTIND", "1"))
    offset = int(shell.variables.get("_OPTOFFSET", "1"))
    if place > len(words) or words[place - 1][:1] != "-" or words[place - 1] in {"-", "--"}:
        shell.variables[name] = "?"
        return 1
    word = words[place - 1]
    letter, takes = word[offset], f"{word[offset]}:" in letters
    shell.variables.pop("OPTARG", None)
    last = offset + 1 >= len(word)
    if takes:
        following = words[place] if last and place < len(words) else ""
        shell.variables["OPTARG"] = following if last else word[offset + 1 :]
    known = letter != ":" and letter in letters
    if not known and not letters.startswith(":"):
        await shell.write(2, f"Illegal option -{letter}\n")
    elif not known:
        shell.variables["OPTARG"] = letter
    shell.variables[name] = letter if known else "?"
    shell.variables["OPTIND"] = str(place + (2 if takes and last else int(takes or last)))
    shell.variables["_OPTOFFSET"] = "1" if takes or last else str(offset + 1)
    return 0


async def exec_(shell: Shell, args: list[str]) -> int:
    """`exec`: keeps the redirections, or becomes the command."""
    if args:
        await shell.call(args, {}, shell.streams, functions=False)
        raise ShellExit
    return 0


async def times(shell: Shell, _args: list[str]) -> int:
    """`times`."""
    await shell.write(1, "0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n")
    return 0


Builtin = Callable[["Shell", list[str]], Awaitable[int]]
BUILTINS: dict[str, Builtin] = {
    ":": colon, "true": colon, "false": false, "echo": echo, "printf": printf, "test": test,
    "[": bracket, "cd": cd, "pwd": pwd, "export": export, "readonly": readonly, "unset": unset,
    "set": set_, "shift": shift, "break": leave_loop, "continue": continue_loop,
    "return": return_, "exit": exit_, "eval": eval_, ".": dot, "trap": trap, "wait": wait,
    "kill": kill, "read": read, "command": command, "type": type_, "umask": umask,
    "local": local, "getopts": getopts, "exec": exec_, "times": times,
}  # fmt: skip
