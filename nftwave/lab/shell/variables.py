"""Builtins that set variables, options and positional parameters."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.shell.flow import DASH, ShellExit

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell

OPTIONS = {
    "errexit": "e",
    "nounset": "u",
    "xtrace": "x",
    "noglob": "f",
    "noexec": "n",
    "allexport": "a",
    "verbose": "v",
    "noclobber": "C",
    "pipefail": "pipefail",
}


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


async def umask(shell: Shell, args: list[str]) -> int:
    """`umask`."""
    if args:
        shell.umask = int(args[0], 8)
    else:
        await shell.write(1, f"{shell.umask:04o}\n")
    return 0
