"""A parser for the POSIX shell language (XCU chapter 2), without aliases."""

from __future__ import annotations

import functools
from typing import Literal

from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.language.compounds import COMPOUNDS
from nftwave.lab.shell.language.reader import OPERATORS, ShellSyntaxError
from nftwave.lab.shell.language.redirects import RedirectionReader

COMPOUND_ENDS = frozenset({"then", "else", "elif", "fi", "do", "done", "esac", "}"})


@functools.lru_cache(maxsize=256)
def parse(text: str) -> syntax.Program:
    """Parse a script. Scripts are cached: a fleet of nodes gets the same one."""
    parser = Parser(text)
    items: list[syntax.AndOr] = []
    try:
        parser.newlines()
        while not parser.at_end():
            items.extend(parser.line())
    except ShellSyntaxError as error:
        return syntax.Program(syntax.Sequence(tuple(items)), str(error))
    return syntax.Program(syntax.Sequence(tuple(items)), None)


class Parser(RedirectionReader):
    """Recursive descent over characters; words and redirections come from its bases."""

    def program(self, text: str) -> syntax.Program:
        """The script in backticks."""
        return parse(text)

    def line(self) -> list[syntax.AndOr]:
        """Commands up to and with the end of the line."""
        items = [self.and_or()]
        while True:
            self.blanks()
            if self.at_end() or self.peek("\n"):
                self.newlines()
                return items
            if self.peek(";") and not self.peek(";;"):
                self.index += 1
            elif not items[-1].background:
                raise self.unexpected()
            self.blanks()
            if not self.at_end() and not self.peek("\n"):
                items.append(self.and_or())

    def sequence(self, *ends: str) -> syntax.Sequence:
        """Commands up to one of the reserved words or operators, which is not taken."""
        items: list[syntax.AndOr] = []
        self.newlines()
        while not self.ends_here(ends):
            if self.at_end():
                raise ShellSyntaxError(f"{self.line_number}: Syntax error: end of file unexpected")
            items.append(self.and_or())
            self.blanks()
            if self.peek(";") and not self.peek(";;"):
                self.index += 1
            elif not items[-1].background and not self.peek("\n") and not self.ends_here(ends):
                raise self.unexpected()
            self.newlines()
        if not items and ends != (";;", "esac"):
            raise self.unexpected()
        return syntax.Sequence(tuple(items))

    def ends_here(self, ends: tuple[str, ...]) -> bool:
        """Whether one of the ends stands here."""
        self.blanks()
        return any(
            self.peek(end) if end in {")", ";;"} else self.reserved_here() == end for end in ends
        )

    def and_or(self) -> syntax.AndOr:
        """Pipelines joined by && and ||, and a final &."""
        joint: Literal["first", "&&", "||"] = "first"
        links = []
        while True:
            links.append((joint, self.pipeline()))
            self.blanks()
            if self.peek("&&"):
                joint = "&&"
            elif self.peek("||"):
                joint = "||"
            else:
                break
            self.index += 2
            self.newlines()
        background = self.peek("&")
        if background:
            self.index += 1
        return syntax.AndOr(tuple(links), background)

    def pipeline(self) -> syntax.Pipeline:
        """Commands joined by |."""
        negated = False
        while self.reserved_here() == "!":
            self.take_reserved("!")
            negated = not negated
        commands = [self.command()]
        while True:
            self.blanks()
            if not self.peek("|") or self.peek("||"):
                return syntax.Pipeline(tuple(commands), negated)
            self.index += 1
            self.newlines()
            commands.append(self.command())

    def command(self) -> syntax.Command:
        """One command: compound, function definition or simple."""
        self.blanks()
        if self.peek("("):
            self.index += 1
            body = self.sequence(")")
            self.index += 1
            return syntax.Group(body, subshell=True, redirections=self.redirections())
        word = self.reserved_here()
        compound = COMPOUNDS.get(word or "")
        if compound:
            return compound(self)
        if word in COMPOUND_ENDS:
            raise self.unexpected()
        return self.function() or self.simple()

    def function(self) -> syntax.Function | None:
        """`name() body`, if that stands here."""
        name = self.name_here()
        start, line = self.index, self.line_number
        self.index += len(name)
        self.blanks()
        if name and self.peek("("):
            self.index += 1
            self.blanks()
            self.expect(")")
            self.newlines()
            return syntax.Function(name, self.command())
        self.index, self.line_number = start, line
        return None

    def simple(self) -> syntax.Simple:
        """Assignments, words, redirections."""
        line = self.line_number
        assignments: list[tuple[str, syntax.Word]] = []
        words: list[syntax.Word] = []
        redirections: list[syntax.Redirection] = []
        while True:
            self.blanks()
            redirection = self.redirection()
            if redirection:
                redirections.append(redirection)
                continue
            if self.at_end() or self.text[self.index] in OPERATORS:
                break
            name = "" if words else self.assignment_here()
            if name:
                self.index += len(name) + 1
                assignments.append((name, self.word(assignment=True)))
            else:
                words.append(self.word())
        if not (assignments or words or redirections):
            raise self.unexpected()
        return syntax.Simple(tuple(assignments), tuple(words), tuple(redirections), line)
