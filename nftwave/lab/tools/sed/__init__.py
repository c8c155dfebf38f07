"""`sed`, as far as scripts on nodes use it: s, p, d, q, n, =, y, a, i, c, groups, addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.tools.operands import inputs, options
from nftwave.lab.tools.sed.parser import SedParser, SedSyntaxError
from nftwave.lab.tools.sed.run import SedRun

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool


async def sed(call: Call) -> int:
    """`sed`: -n -e -E -r."""
    scripts: list[str] = []
    args: list[str] = []
    words = iter(call.args)
    for word in words:
        if word in {"-e", "--expression"}:
            scripts.append(next(words, ""))
        else:
            args.append(word)
    flags, operands = options(args, "")
    if not scripts and operands:
        scripts.append(operands.pop(0))
    try:
        commands = SedParser("\n".join(scripts)).commands()
    except SedSyntaxError as error:
        return await call.error(str(error))
    found = await inputs(call, operands)
    run = SedRun(commands, extended=bool({"E", "r"} & set(flags)), quiet="n" in flags)
    await call.out(run.run("".join(text for _, text in found).splitlines()))
    return 2 if len(found) < len(operands) else 0


TOOLS: dict[str, Tool] = {"sed": sed}
