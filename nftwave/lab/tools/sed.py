"""`sed`, as far as scripts on nodes use it: s, p, d, q, n, =, y, a, i, c, groups, addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.tools.operands import inputs, options
from nftwave.lab.tools.patterns import expression

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

ADDRESS = r"([0-9]+|\$|/(?:\\.|[^/\\])*/)"
COMMAND = re.compile(rf"\s*{ADDRESS}?(?:,{ADDRESS})?\s*(!?)\s*(.)")
FLAGS = re.compile(r"[gpIi0-9]*")
BETWEEN = "; \n\t"


class SedSyntaxError(Exception):
    """Not a sed script; the text is sed's."""


@dataclass(slots=True)
class Command:
    """One command, its addresses, and whether its range is open."""

    first: str | None
    second: str | None
    negated: bool
    name: str
    arguments: list[str] = field(default_factory=list)
    body: list[Command] = field(default_factory=list)
    open: bool = False


class SedParser:
    """Reads a script."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def commands(self, *, nested: bool = False) -> list[Command]:
        """Commands up to the end, or to the brace. Raises SedSyntaxError."""
        found: list[Command] = []
        while True:
            while self._place < len(self._text) and self._text[self._place] in BETWEEN:
                self._place += 1
            if self._place >= len(self._text):
                if nested:
                    raise SedSyntaxError("-e expression #1, char 0: unmatched `{'")
                return found
            if nested and self._text[self._place] == "}":
                self._place += 1
                return found
            found.append(self._command())

    def _command(self) -> Command:
        match = COMMAND.match(self._text, self._place)
        if not match:
            raise SedSyntaxError(f"-e expression #1, char {self._place + 1}: missing command")
        self._place = match.end()
        first, second, negated, name = match.groups()
        command = Command(first, second, bool(negated), name)
        if name == "{":
            command.body = self.commands(nested=True)
        elif name in "sy":
            command.arguments = self._delimited()
        elif name in "aic":
            command.arguments = [self._line()]
        elif name not in "pdqn=":
            raise SedSyntaxError(f"-e expression #1, char {self._place}: unknown command: `{name}'")
        return command

    def _delimited(self) -> list[str]:
        """Pattern, replacement and flags of `s` and `y`."""
        delimiter, parts = self._text[self._place], [""]
        self._place += 1
        while len(parts) < 3:
            step = self._text[self._place : self._place + 1]
            if not step:
                raise SedSyntaxError("-e expression #1, char 0: unterminated `s' command")
            self._place += 1
            if step == "\\":
                escaped = self._text[self._place : self._place + 1]
                parts[-1] += escaped if escaped == delimiter else "\\" + escaped
                self._place += 1
            elif step == delimiter:
                parts.append("")
            else:
                parts[-1] += step
        flags = FLAGS.match(self._text, self._place)
        if flags:
            parts[-1] = flags.group()
            self._place = flags.end()
        return parts

    def _line(self) -> str:
        """The text of `a`, `i` and `c`."""
        end = self._text.find("\n", self._place)
        end = len(self._text) if end < 0 else end
        text = self._text[self._place : end].lstrip("\\ ")
        self._place = end
        return text


class SedRun:
    """One script over some lines."""

    def __init__(self, commands: list[Command], *, extended: bool, quiet: bool) -> None:
        self.commands = commands
        self.extended = extended
        self.quiet = quiet
        self.output: list[str] = []
        self.line = ""
        self.number = 0
        self.last = False
        self.after: list[str] = []
        self.stopped = False

    def run(self, lines: list[str]) -> str:
        """Edit them."""
        for number, line in enumerate(lines, 1):
            self.line, self.number, self.last, self.after = line, number, number == len(lines), []
            if self.apply(self.commands) and not self.quiet:
                self.output.append(self.line)
            self.output += self.after
            if self.stopped:
                break
        return "".join(line + "\n" for line in self.output)

    def apply(self, commands: list[Command]) -> bool:
        """Run commands on the line; False if it was deleted."""
        for command in commands:
            if not self.selects(command):
                continue
            if command.name == "{":
                if not self.apply(command.body):
                    return False
            elif command.name in "dc":
                self.output += command.arguments
                return False
            else:
                self.edit(command)
            if self.stopped:
                break
        return True

    def edit(self, command: Command) -> None:
        """Run one command that goes on to the next."""
        match command.name:
            case "s":
                self.substitute(command.arguments)
            case "y":
                self.line = self.line.translate(str.maketrans(*command.arguments[:2]))
            case "p":
                self.output.append(self.line)
            case "=":
                self.output.append(str(self.number))
            case "i":
                self.output += command.arguments
            case "a":
                self.after += command.arguments
            case "q":
                self.stopped = True

    def selects(self, command: Command) -> bool:
        """Whether the command's addresses select the line."""
        if command.first is None:
            return not command.negated
        if command.second is None:
            return self.at(command.first) != command.negated
        selected = command.open or self.at(command.first)
        if command.open:
            command.open = not self.at(command.second)
        elif selected:
            ended = command.second.isdigit() and int(command.second) <= self.number
            command.open = not ended
        return selected != command.negated

    def at(self, address: str) -> bool:
        """Whether one address is that of the line."""
        if address == "$":
            return self.last
        if address.isdigit():
            return self.number == int(address)
        return bool(expression(address[1:-1], extended=self.extended).search(self.line))

    def substitute(self, arguments: list[str]) -> None:
        """`s`."""
        pattern, replacement, flags = arguments
        matcher = expression(pattern, extended=self.extended, ignore_case="i" in flags.lower())
        nth = re.search(r"\d+", flags)
        wanted, seen = int(nth.group()) if nth else 1, 0

        def replace(found: re.Match[str]) -> str:
            nonlocal seen
            seen += 1
            if seen < wanted or (seen > wanted and "g" not in flags):
                return found.group()
            return re.sub(r"\\(.)|&", lambda one: _inserted(found, one), replacement)

        self.line = matcher.sub(replace, self.line)
        if seen >= wanted and "p" in flags:
            self.output.append(self.line)


def _inserted(found: re.Match[str], part: re.Match[str]) -> str:
    """What `&`, a back-reference or an escape in a replacement stands for."""
    if part.group() == "&":
        return found.group()
    if part[1].isdigit():
        return found.group(int(part[1])) or ""
    return {"n": "\n", "t": "\t"}.get(part[1], part[1])


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
