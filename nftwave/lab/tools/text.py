"""Programs that read text and write text (coreutils), as far as scripts on nodes use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.streams import read_all
from nftwave.lab.tools.operands import inputs, options

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool


async def cat(call: Call) -> int:
    """`cat`."""
    _, names = options(call.args, "")
    status = 0
    for name in names or ["-"]:
        if name == "-":
            while chunk := await call.stdin.read():
                await call.out(chunk)
            continue
        try:
            await call.out(call.machine.files.read(call.path(name), root=call.root))
        except FileError as error:
            status = await call.error(f"{name}: {error}")
    return status


async def head(call: Call) -> int:
    """`head`: -n and -c."""
    args = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in call.args]
    flags, names = options(args, "nc")
    if not names and "c" not in flags:
        await _first_lines(call, int(flags.get("n", "10")))
        return 0
    found = await inputs(call, names)
    for _, text in found:
        if "c" in flags:
            await call.out(text[: int(flags["c"])])
        else:
            await call.out("".join(text.splitlines(keepends=True)[: int(flags.get("n", "10"))]))
    return int(len(found) < len(names))


async def _first_lines(call: Call, count: int) -> None:
    """Lines as they come: what writes without end is stopped by the pipe when this ends."""
    while count > 0 and (chunk := await call.stdin.read()):
        lines = chunk.splitlines(keepends=True)[:count]
        await call.out("".join(lines))
        count -= sum(line.endswith("\n") for line in lines)


async def tail(call: Call) -> int:
    """`tail`: -n, -n +N and -c."""
    args = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in call.args]
    flags, names = options(args, "nc")
    found = await inputs(call, names)
    for _, text in found:
        units = list(text) if "c" in flags else text.splitlines(keepends=True)
        amount = flags.get("c") or flags.get("n", "10")
        count = int(amount)
        kept = units[max(count - 1, 0) :] if amount[:1] == "+" else units[len(units) - abs(count) :]
        await call.out("".join(kept if count or amount[:1] == "+" else []))
    return int(len(found) < len(names))


async def wc(call: Call) -> int:
    """`wc`."""
    flags, names = options(call.args, "")
    found = await inputs(call, names)
    for name, text in found:
        counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode())}
        shown = [counts[letter] for letter in "lwc" if letter in flags or not flags]
        width = 7 if len(shown) > 1 else 1
        line = " ".join(str(count).rjust(width) for count in shown)
        await call.out(f"{line}{'' if name == '-' else ' ' + name}\n")
    return int(len(found) < len(names))


async def sort(call: Call) -> int:
    """`sort`: -n -r -u -k -t."""
    flags, names = options(call.args, "kto")
    lines = [line for _, text in await inputs(call, names) for line in text.splitlines()]
    field = re.match(r"\d+", flags.get("k", ""))
    numeric = "n" in flags or flags.get("k", "").endswith("n")

    def key(line: str) -> tuple[float, str]:
        value = line
        if field:
            parts = line.split(flags.get("t"))
            place = int(field.group()) - 1
            value = parts[place] if place < len(parts) else ""
        leading = re.match(r"\s*(-?\d+(?:\.\d+)?)", value) if numeric else None
        return (float(leading[1]) if leading else 0.0, "" if numeric else value)

    if "u" in flags:
        lines = list({key(line): line for line in reversed(lines)}.values())
    lines.sort(key=lambda line: (key(line), line), reverse="r" in flags)
    await call.out("".join(line + "\n" for line in lines))
    return 0


async def uniq(call: Call) -> int:
    """`uniq`: -c -d -u."""
    flags, names = options(call.args, "")
    runs: list[tuple[str, int]] = []
    for _, text in await inputs(call, names):
        for line in text.splitlines():
            if runs and runs[-1][0] == line:
                runs[-1] = (line, runs[-1][1] + 1)
            else:
                runs.append((line, 1))
    for line, count in runs:
        if ("d" in flags and count == 1) or ("u" in flags and count > 1):
            continue
        await call.out(f"{count:7d} {line}\n" if "c" in flags else line + "\n")
    return 0


async def tee(call: Call) -> int:
    """`tee`."""
    flags, names = options(call.args, "")
    text = await read_all(call.stdin)
    status = 0
    for name in names:
        if name == "/dev/stderr":
            await call.stderr.write(text)
            continue
        try:
            call.machine.files.write(call.path(name), text, root=call.root, append="a" in flags)
        except FileError as error:
            status = await call.error(f"{name}: {error}")
    await call.out(text)
    return status


async def seq(call: Call) -> int:
    """`seq`."""
    numbers = [int(word) for word in call.args]
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) == 3 else 1
    values = range(first, numbers[-1] + (1 if step > 0 else -1), step)
    await call.out("".join(f"{value}\n" for value in values))
    return 0


async def yes(call: Call) -> int:
    """`yes`, until nobody reads."""
    line = " ".join(call.args or ["y"]) + "\n"
    while True:
        await call.out(line * 512)


TOOLS: dict[str, Tool] = {
    "cat": cat,
    "head": head,
    "seq": seq,
    "sort": sort,
    "tail": tail,
    "tee": tee,
    "uniq": uniq,
    "wc": wc,
    "yes": yes,
}
