"""`tr` and `cut`: programs that look at characters and fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.operands import inputs, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.shell.process import Call, Tool


async def cut(call: Call) -> int:
    """`cut`: -d -f, -c and -b."""
    flags, names = options(call.args, "dfcb")
    chosen = _ranges(flags.get("f") or flags.get("c") or flags.get("b") or "")
    delimiter = flags.get("d", "\t")
    for _, text in await inputs(call, names):
        for line in text.splitlines():
            units = line.split(delimiter) if "f" in flags else list(line)
            if "f" in flags and len(units) == 1:
                await call.out("" if "s" in flags else line + "\n")
                continue
            kept = [unit for place, unit in enumerate(units, 1) if chosen(place)]
            await call.out((delimiter if "f" in flags else "").join(kept) + "\n")
    return 0


def _ranges(text: str) -> Callable[[int], bool]:
    """Whether a place is in a list such as 1,3-5,7-."""
    spans = []
    for span in text.split(","):
        low, dash, high = span.partition("-")
        spans.append((int(low or 1), int(high or 10**9) if dash else int(low or 1)))
    return lambda place: any(low <= place <= high for low, high in spans)


async def tr(call: Call) -> int:
    """`tr`: translate, -d, -s, -c."""
    flags, sets = options(call.args, "")
    first = _characters(sets[0])
    second = _characters(sets[1]) if len(sets) > 1 else ""
    complement = "c" in flags or "C" in flags
    while chunk := await call.stdin.read():
        out: list[str] = []
        for character in chunk:
            inside = (character in first) != complement
            new = character
            if inside and "d" in flags:
                continue
            if inside and second:
                place = len(second) - 1 if complement else first.index(character)
                new = second[min(place, len(second) - 1)]
            squeezed = second or first
            repeats = "s" in flags and out and out[-1] == new
            if not (repeats and ((new in squeezed) != (complement and not second))):
                out.append(new)
        await call.out("".join(out))
    return 0


CLASSES = {
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "digit": "0123456789",
    "space": "\t\n\v\f\r ",
    "blank": "\t ",
}
CLASSES["alnum"] = CLASSES["digit"] + CLASSES["alpha"]


def _characters(text: str) -> str:
    text = re.sub(r"\[:(\w+):\]", lambda found: CLASSES.get(found[1], ""), text)
    text = re.sub(r"\\(\d{1,3})", lambda found: chr(int(found[1], 8)), text)
    for escape, character in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\\\", "\\")):
        text = text.replace(escape, character)
    return re.sub(
        r"(.)-(.)", lambda found: "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))), text
    )


TOOLS: dict[str, Tool] = {"cut": cut, "tr": tr}
