"""`awk`: enough of POSIX awk for scripts on nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError
from nftwave.lab.tools.awk.lexer import AwkSyntaxError, unescape
from nftwave.lab.tools.awk.parser import parse
from nftwave.lab.tools.awk.run import Awk
from nftwave.lab.tools.operands import inputs

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

FATAL = 2


async def awk(call: Call) -> int:
    """`awk`: -F, -v, -f."""
    words = list(call.args)
    variables: dict[str, str] = {}
    source = None
    while words and words[0].startswith("-") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            break
        letter, value = word[1], word[2:] or (words.pop(0) if words else "")
        if letter == "F":
            variables["FS"] = "\t" if value == "t" else unescape(value)
        elif letter == "v":
            name, _, text = value.partition("=")
            variables[name] = unescape(text)
        elif letter == "f":
            try:
                source = call.machine.files.read(call.path(value), root=call.root)
            except FileError as error:
                return await call.error(f"cannot open {value} ({error})", FATAL)
    if source is None:
        source = words.pop(0) if words else ""
    try:
        program = parse(source)
        reads = bool(program.rules or program.end)
        found = await inputs(call, words) if reads else []
        run = Awk(program, variables, "".join(text for _, text in found))
        status = run.run()
    except (AwkSyntaxError, ValueError, ZeroDivisionError) as error:
        return await call.error(str(error), FATAL)
    await call.out("".join(run.output))
    await call.stderr.write("".join(run.errors))
    return status or (FATAL if len(found) < len(words) and reads else 0)


TOOLS: dict[str, Tool] = {"awk": awk, "mawk": awk}
