"""The text of a script and a place in it: blanks, line ends, names, reserved words."""

from __future__ import annotations

import abc
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.shell.language import syntax

OPERATORS = frozenset("|&;()<>\n")
WORD_ENDS = OPERATORS | {" ", "\t"}
RESERVED = frozenset(
    (
        "!",
        "{",
        "}",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "while",
        "until",
        "do",
        "done",
        "for",
        "in",
        "case",
        "esac",
    )
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
TOKEN = re.compile(r"&&|\|\||;;|[|&;()<>]|[^\s|&;()<>]+")


class ShellSyntaxError(Exception):
    """The script is not a script; the text is dash's message after `sh: `."""


class ScriptReader(abc.ABC):
    """The text of a script and a place in it."""

    def __init__(self, text: str, *, line_number: int = 1, double_quotes: bool = True) -> None:
        self.text = text
        self.index = 0
        self.line_number = line_number
        # In a here-document a double quote is a character like any other.
        self.double_quotes = double_quotes
        self.here_documents: list[tuple[str, bool, bool, syntax.HereDocument]] = []

    @abc.abstractmethod
    def sequence(self, *ends: str) -> syntax.Sequence:
        """Commands up to one of the ends."""

    @abc.abstractmethod
    def program(self, text: str) -> syntax.Program:
        """The script in backticks."""

    @abc.abstractmethod
    def read_here_documents(self) -> None:
        """Read the bodies that follow the line just ended."""

    def at_end(self) -> bool:
        """Whether the script ends here."""
        return self.index >= len(self.text)

    def peek(self, text: str) -> bool:
        """Whether the text stands here."""
        return self.text.startswith(text, self.index)

    def expect(self, text: str) -> None:
        """Take the text."""
        if not self.peek(text):
            raise self.unexpected()
        self.index += len(text)

    def unexpected(self) -> ShellSyntaxError:
        """The error that names what stands here, as dash words it."""
        if self.at_end():
            what = "end of file"
        elif self.peek("\n"):
            what = "newline"
        else:
            found = TOKEN.match(self.text, self.index)
            token = found.group() if found else ""
            what = f'"{token}"' if token in RESERVED or token[:1] in OPERATORS else "word"
        return ShellSyntaxError(f"{self.line_number}: Syntax error: {what} unexpected")

    def blanks(self) -> None:
        """Skip blanks, comments and continued lines."""
        while not self.at_end():
            if self.text[self.index] in " \t":
                self.index += 1
            elif self.peek("\\\n"):
                self.index += 2
                self.line_number += 1
            elif self.peek("#"):
                end = self.text.find("\n", self.index)
                self.index = len(self.text) if end < 0 else end
            else:
                return

    def newlines(self) -> None:
        """Skip blanks and line ends, reading the here-documents that wait for one."""
        self.blanks()
        while self.peek("\n"):
            self.index += 1
            self.line_number += 1
            self.read_here_documents()
            self.blanks()

    def reserved_here(self) -> str | None:
        """The reserved word that stands here."""
        self.blanks()
        end = self.index
        while end < len(self.text) and self.text[end] not in WORD_ENDS:
            end += 1
        word = self.text[self.index : end]
        return word if word in RESERVED else None

    def take_reserved(self, word: str) -> None:
        """Take a reserved word."""
        if self.reserved_here() != word:
            raise self.unexpected()
        self.index += len(word)

    def name_here(self) -> str:
        """The name that stands here, or nothing."""
        found = NAME.match(self.text, self.index)
        return found.group() if found else ""

    def assignment_here(self) -> str:
        """The name before an equals sign, or nothing."""
        name = self.name_here()
        return name if name and self.text[self.index + len(name) :].startswith("=") else ""
