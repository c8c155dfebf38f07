"""`grep`, and POSIX regular expressions as Python's."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.operands import inputs, options

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

SWAPPED = frozenset("(){}+?|")  # special with a backslash in basic expressions, without in extended
CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "space": r"\s",
    "blank": " \\t",
    "punct": r"!-/:-@\[-`{-~",
    "xdigit": "0-9A-Fa-f",
}


@functools.lru_cache(maxsize=512)
def expression(pattern: str, *, extended: bool, ignore_case: bool = False) -> re.Pattern[str]:
    """A POSIX basic or extended regular expression. Raises re.error."""
    out, place = "", 0
    while place < len(pattern):
        character = pattern[place]
        following = pattern[place + 1 : place + 2]
        place += 1
        if character == "[":
            inside, place = _bracket(pattern, place)
            out += inside
        elif character == "\\" and following:
            place += 1
            if following in SWAPPED:
                out += "\\" + following if extended else following
            elif following in "<>":
                out += r"\b"
            else:
                out += "\\" + following
        elif character in SWAPPED and not extended:
            out += "\\" + character
        elif character == "*" and (not out or out in {"^", "("}):
            out += r"\*"
        elif character == "^" and not extended and out and not out.endswith(("(", "|")):
            out += r"\^"
        else:
            out += character
    return re.compile(out, re.IGNORECASE if ignore_case else 0)


def _bracket(pattern: str, place: int) -> tuple[str, int]:
    start = place
    place += pattern.startswith("^", place)
    place += pattern.startswith("]", place)
    while place < len(pattern) and pattern[place] != "]":
        place = pattern.find(":]", place) + 2 if pattern.startswith("[:", place) else place + 1
    inside = pattern[start:place].replace("\\", "\\\\")
    inside = re.sub(r"\[:(\w+):\]", lambda found: CLASSES[found[1]], inside)
    head = "^" if inside.startswith("^") else ""
    body = inside[len(head) :].replace("[", "\\[")
    body = "\\]" + body[1:] if body.startswith("]") else body
    return f"[{head}{body}]", place + 1


async def grep(call: Call) -> int:
    """`grep`: -E -F -i -v -c -q -o -n -l -s -w -x -e -h -m."""
    flags, operands = options(call.args, "em")
    pattern = flags["e"] if "e" in flags else operands.pop(0)
    sources = [
        re.escape(one)
        if "F" in flags
        else expression(one, extended="E" in flags or call.name == "egrep").pattern
        for one in pattern.split("\n")
    ]
    source = "|".join(f"(?:{one})" for one in sources)
    source = rf"\b(?:{source})\b" if "w" in flags else source
    matcher = re.compile(source, re.IGNORECASE if "i" in flags else 0)
    search = matcher.fullmatch if "x" in flags else matcher.search
    if "s" in flags:
        operands = [one for one in operands if call.machine.files.exists(call.path(one))]
    found = await inputs(call, operands)
    any_selected = False
    for name, text in found:
        prefix = f"{name}:" if len(operands) > 1 and "h" not in flags else ""
        selected = [
            (place, line)
            for place, line in enumerate(text.splitlines(), 1)
            if bool(search(line)) != ("v" in flags)
        ]
        selected = selected[: int(flags.get("m") or len(selected))]
        any_selected = any_selected or bool(selected)
        if "q" not in flags:
            await call.out(_shown(flags, prefix, name, selected, matcher))
    if len(found) < len(operands) and not ("q" in flags and any_selected):
        return 2
    return int(not any_selected)


def _shown(
    flags: dict[str, str],
    prefix: str,
    name: str,
    selected: list[tuple[int, str]],
    matcher: re.Pattern[str],
) -> str:
    if "c" in flags:
        return f"{prefix}{len(selected)}\n"
    if "l" in flags:
        return f"{name}\n" if selected else ""
    lines: list[str] = []
    for place, line in selected:
        number = f"{place}:" if "n" in flags else ""
        shown = [one.group() for one in matcher.finditer(line) if one.group()]
        lines.extend(f"{prefix}{number}{one}\n" for one in (shown if "o" in flags else [line]))
    return "".join(lines)


TOOLS: dict[str, Tool] = {"grep": grep, "egrep": grep}
