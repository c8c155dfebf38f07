"""`sed`, as far as scripts on nodes use it: s, p, d, q, n, =, y, a, i, c and addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.patterns import expression
from nftwave.lab.tools.text import inputs, options

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

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


TOOLS: dict[str, Tool] = {"sed": sed}
