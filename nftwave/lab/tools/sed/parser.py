"""A parser for sed's scripts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

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
