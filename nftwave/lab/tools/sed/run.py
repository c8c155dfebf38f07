"""Runs a parsed sed script over lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.patterns import expression

if TYPE_CHECKING:
    from nftwave.lab.tools.sed.parser import Command


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
