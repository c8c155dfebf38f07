"""Programs about the node, its files and its processes."""

from __future__ import annotations

import posixpath
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import TEMPORARY, FileError
from nftwave.lab.tools.operands import options

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.shell.files import Files
    from nftwave.lab.shell.process import Call, Tool


async def id_(call: Call) -> int:
    """`id`: -u -n."""
    flags, _ = options(call.args, "")
    name, number = ("root", 0) if call.root else ("lab", 1000)
    if "u" in flags or "g" in flags:
        await call.out(f"{name if 'n' in flags else number}\n")
    else:
        await call.out(f"uid={number}({name}) gid={number}({name}) groups={number}({name})\n")
    return 0


async def whoami(call: Call) -> int:
    """`whoami`."""
    await call.out("root\n" if call.root else "lab\n")
    return 0


async def hostname(call: Call) -> int:
    """`hostname`."""
    await call.out(f"{call.machine.hostname}\n")
    return 0


DATES: dict[str, Callable[[datetime], str]] = {
    "%s": lambda now: str(int(now.timestamp())),
    "%N": lambda now: f"{now.microsecond:06d}000",
}


async def date(call: Call) -> int:
    """`date`: -u, +FORMAT; nodes keep UTC."""
    now = datetime.now(UTC)
    formats = [word[1:] for word in call.args if word.startswith("+")]
    template = formats[0] if formats else "%a %b %e %H:%M:%S UTC %Y"
    for directive, show in DATES.items():
        template = template.replace(directive, show(now))
    await call.out(now.strftime(template) + "\n")
    return 0


async def basename(call: Call) -> int:
    """`basename`."""
    name = posixpath.basename(call.args[0].rstrip("/"))
    suffix = call.args[1] if len(call.args) > 1 else ""
    await call.out((name.removesuffix(suffix) if name != suffix else name) + "\n")
    return 0


async def dirname(call: Call) -> int:
    """`dirname`."""
    await call.out((posixpath.dirname(call.args[0].rstrip("/")) or ".") + "\n")
    return 0


async def ls(call: Call) -> int:
    """`ls`: names, one a line; -l shows what links point to."""
    flags, names = options(call.args, "")
    files, status = call.machine.files, 0
    for name in names or ["."]:
        path = call.path(name)
        if files.is_directory(path) and not files.may_list(path, root=call.root):
            message = f"cannot open directory '{name}': Permission denied"
            status = await call.error(message, 2)
        elif files.is_directory(path):
            entries = [entry for entry in files.entries(path) if not entry.startswith(".")]
            lines = [_long(files, path, entry) if "l" in flags else entry for entry in entries]
            await call.out("".join(line + "\n" for line in lines))
        elif files.exists(path) or call.machine.tool(path):
            await call.out(name + "\n")
        else:
            status = await call.error(f"cannot access '{name}': No such file or directory", 2)
    return status


def _long(files: Files, directory: str, entry: str) -> str:
    """A line of `ls -l`; dates and sizes are not kept."""
    target = files.link(f"{directory.rstrip('/')}/{entry}")
    kind = "lrwx------" if target else "-rw-r--r--"
    return f"{kind} 1 root root 0 Jan  1 00:00 {entry}" + (f" -> {target}" if target else "")


async def rm(call: Call) -> int:
    """`rm`: -f -r."""
    flags, names = options(call.args, "")
    status = 0
    for name in names:
        try:
            recursive = bool({"r", "R"} & set(flags))
            call.machine.files.remove(call.path(name), root=call.root, recursive=recursive)
        except FileError as error:
            if "f" not in flags or "No such" not in str(error):
                status = await call.error(f"cannot remove '{name}': {error}")
    return status


async def mkdir(call: Call) -> int:
    """`mkdir`: -p -m."""
    flags, names = options(call.args, "m")
    status = 0
    for name in names:
        path, steps = call.path(name), [call.path(name)]
        while "p" in flags and not call.machine.files.exists(posixpath.dirname(steps[0])):
            steps.insert(0, posixpath.dirname(steps[0]))
        if "p" in flags and call.machine.files.is_directory(path):
            continue
        try:
            for step in steps:
                call.machine.files.make_directory(step, root=call.root)
        except FileError as error:
            status = await call.error(f"cannot create directory '{name}': {error}")
    return status


async def mktemp(call: Call) -> int:
    """`mktemp`: -d and a template."""
    flags, names = options(call.args, "p")
    template = names[0] if names else posixpath.join(TEMPORARY[0], "tmp.XXXXXXXXXX")
    path = call.path(re.sub("X{3,}$", f"{call.machine.next_pid():010d}", template))
    if "d" in flags:
        call.machine.files.make_directory(path, root=call.root)
    else:
        call.machine.files.write(path, "", root=call.root)
    await call.out(path + "\n")
    return 0


async def expr(call: Call) -> int:
    """`expr`: integers and comparisons, left to right."""
    words = list(call.args)
    value = words.pop(0)
    operations: dict[str, Callable[[str, str], int]] = {
        "+": lambda a, b: int(a) + int(b),
        "-": lambda a, b: int(a) - int(b),
        "*": lambda a, b: int(a) * int(b),
        "/": lambda a, b: int(a) // int(b),
        "%": lambda a, b: int(a) % int(b),
        "=": lambda a, b: int(a == b),
        "!=": lambda a, b: int(a != b),
        "<": lambda a, b: int(int(a) < int(b)),
        ">": lambda a, b: int(int(a) > int(b)),
    }
    while len(words) > 1:
        value = str(operations[words.pop(0)](value, words.pop(0)))
    await call.out(value + "\n")
    return int(value in {"", "0"})


async def discard(_call: Call) -> int:
    """`sync`, `chmod`, `touch` on what exists: nothing to see."""
    return 0


async def true(_call: Call) -> int:
    """`true` as a program."""
    return 0


async def echo(call: Call) -> int:
    """`echo` as a program (`timeout 1 echo …`, `sudo echo …`)."""
    newline = call.args[:1] != ["-n"]
    await call.out(" ".join(call.args if newline else call.args[1:]) + ("\n" if newline else ""))
    return 0


TOOLS: dict[str, Tool] = {
    "basename": basename,
    "chmod": discard,
    "date": date,
    "dirname": dirname,
    "echo": echo,
    "expr": expr,
    "hostname": hostname,
    "id": id_,
    "ls": ls,
    "mkdir": mkdir,
    "mktemp": mktemp,
    "rm": rm,
    "sync": discard,
    "true": true,
    "whoami": whoami,
}
