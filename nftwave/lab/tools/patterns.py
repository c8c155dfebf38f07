"""`grep` and `sed`, and POSIX regular expressions as Python's."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.text import inputs, options

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

SWAPPED = frozenset("(){}+?|")  # special with a backslash in basic expressions, without in extended
CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z",
    "space": r"\s", "blank": " \\t", "punct": r"!-/:-@\[-`{-~", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


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
    sources = [re.escape(one) if "F" in flags else
               expression(one, extended="E" in flags or call.name == "egrep").pattern
               for one in pattern.split("\n")]  # fmt: skip
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
        selected = [(place, line) for place, line in enumerate(text.splitlines(), 1)
                    if bool(search(line)) != ("v" in flags)]  # fmt: skip
        selected = selected[: int(flags.get("m") or len(selected))]
        any_selected = any_selected or bool(selected)
        if "q" not in flags:
            await call.out(_shown(flags, prefix, name, selected, matcher))
    if len(found) < len(operands) and not ("q" in flags and any_selected):
        return 2
    return int(not any_selected)


def _shown(
    flags: dict[str, str], prefix: str, name: str, selected: list[tuple[int, str]],
    matcher: re.Pattern[str],
) -> str:  # fmt: skip
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


COMMAND = re.compile(
    r"\s*([0-9]+|\$|/(?:\\.|[^/\\])*/)?(?:,([0-9]+|\$|/(?:\\.|[^/\\])*/))?\s*(!?)\s*(.)"
)


class SedScript:
    """The commands of `sed`: s, p, d, q, n, =, y, a, i, c and their addresses."""

    def __init__(self, text: str, *, extended: bool) -> None:
        self.extended = extended
        self.commands: list[tuple[str | None, str | None, bool, str, list[str]]] = []
        self.active: set[int] = set()
        place = 0
        while place < len(text):
            if text[place] in "; \n\t}":
                place += 1
                continue
            found = COMMAND.match(text, place)
            if not found:
                raise ValueError(f"-e expression #1, char {place + 1}: unknown command")
            first, second, negated, name = found.groups()
            arguments, place = self._arguments(name, text, found.end())
            self.commands.append((first, second, bool(negated), name, arguments))

    @staticmethod
    def _arguments(name: str, text: str, place: int) -> tuple[list[str], int]:
        if name in "sy":
            delimiter, parts = text[place], [""]
            place += 1
            while len(parts) < 3 and place < len(text):
                if text[place] == "\\" and place + 1 < len(text):
                    escaped = text[place + 1]
                    parts[-1] += escaped if escaped == delimiter else "\\" + escaped
                    place += 2
                elif text[place] == delimiter:
                    parts.append("")
                    place += 1
                else:
                    parts[-1] += text[place]
                    place += 1
                    continue
            flags = re.compile(r"[gpIi0-9]*").match(text, place)
            parts[-1] = flags.group() if flags else ""
            return parts, flags.end() if flags else place
        if name in "aic":
            end = text.find("\n", place)
            end = len(text) if end < 0 else end
            return [text[place:end].lstrip("\\ ").lstrip()], end
        if name not in "pdqn={":
            raise ValueError(f"-e expression #1, char {place}: unknown command: `{name}'")
        return [], place

    def selects(self, place: int, line: str, number: int, last: bool) -> bool:
        """Whether the command's addresses select the line."""
        first, second, negated, _, _ = self.commands[place]
        if first is None:
            return not negated
        if second is None:
            return self._at(first, line, number, last) != negated
        if place in self.active:
            if self._at(second, line, number, last):
                self.active.discard(place)
            return not negated
        if self._at(first, line, number, last):
            if not (second.isdigit() and int(second) <= number):
                self.active.add(place)
            return not negated
        return negated

    def _at(self, address: str, line: str, number: int, last: bool) -> bool:
        if address == "$":
            return last
        if address.isdigit():
            return number == int(address)
        return bool(expression(address[1:-1], extended=self.extended).search(line))


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
    if not scripts:
        scripts.append(operands.pop(0))
    try:
        script = SedScript("\n".join(scripts), extended="E" in flags or "r" in flags)
    except ValueError as error:
        return await call.error(str(error))
    found = await inputs(call, operands)
    lines = "".join(text for _, text in found)
    await call.out(_edit(script, lines.splitlines(), quiet="n" in flags))
    return 2 if len(found) < len(operands) else 0


def _edit(script: SedScript, lines: list[str], *, quiet: bool) -> str:
    output: list[str] = []
    for number, original in enumerate(lines, 1):
        line, shown, after, stop = original, not quiet, [], False
        for place, (_, _, _, name, arguments) in enumerate(script.commands):
            if not script.selects(place, line, number, number == len(lines)):
                if name == "{":
                    shown = shown and True
                continue
            if name == "s":
                line, changed = _substitute(script, line, arguments)
                if changed and "p" in arguments[2]:
                    output.append(line)
            elif name == "y":
                line = line.translate(str.maketrans(arguments[0], arguments[1]))
            elif name == "p":
                output.append(line)
            elif name == "=":
                output.append(str(number))
            elif name == "i":
                output.append(arguments[0])
            elif name == "a":
                after.append(arguments[0])
            elif name == "q":
                stop = True
                break
            elif name in "dc":
                output.extend(arguments)
                shown = False
                break
        if shown:
            output.append(line)
        output.extend(after)
        if stop:
            break
    return "".join(line + "\n" for line in output)


def _substitute(script: SedScript, line: str, arguments: list[str]) -> tuple[str, bool]:
    pattern, replacement, flags = arguments
    matcher = expression(pattern, extended=script.extended, ignore_case="i" in flags.lower())
    nth = re.search(r"\d+", flags)
    wanted, seen = int(nth.group()) if nth else 1, 0

    def replace(found: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        if seen < wanted or (seen > wanted and "g" not in flags):
            return found.group()
        return re.sub(
            r"\\(.)|&",
            lambda one: found.group() if one.group() == "&" else _inserted(found, one[1]),
            replacement,
        )

    return matcher.sub(replace, line), bool(matcher.search(line))


def _inserted(found: re.Match[str], escaped: str) -> str:
    if escaped.isdigit():
        return found.group(int(escaped)) or ""
    return {"n": "\n", "t": "\t"}.get(escaped, escaped)


TOOLS: dict[str, Tool] = {"grep": grep, "egrep": grep, "sed": sed}
