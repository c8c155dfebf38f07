"""Compound commands as they stand in a script (XCU 2.9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.language.reader import ShellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.shell.language.parser import Parser


def group(reader: Parser) -> syntax.Group:
    """`{ …; }`."""
    reader.take_reserved("{")
    body = reader.sequence("}")
    reader.take_reserved("}")
    return syntax.Group(body, subshell=False, redirections=reader.redirections())


def conditional(reader: Parser) -> syntax.If:
    """`if … then … elif … else … fi`."""
    branches: list[tuple[syntax.Sequence | None, syntax.Sequence]] = []
    keyword = "if"
    while keyword in {"if", "elif"}:
        reader.take_reserved(keyword)
        condition = reader.sequence("then")
        reader.take_reserved("then")
        branches.append((condition, reader.sequence("elif", "else", "fi")))
        keyword = reader.reserved_here() or ""
    if keyword == "else":
        reader.take_reserved("else")
        branches.append((None, reader.sequence("fi")))
    reader.take_reserved("fi")
    return syntax.If(tuple(branches), reader.redirections())


def loop(reader: Parser) -> syntax.Loop:
    """`while …` and `until … do … done`."""
    keyword = reader.reserved_here() or ""
    reader.take_reserved(keyword)
    condition = reader.sequence("do")
    return syntax.Loop(condition, _do_group(reader), keyword == "until", reader.redirections())


def _do_group(reader: Parser) -> syntax.Sequence:
    """`do … done`."""
    reader.take_reserved("do")
    body = reader.sequence("done")
    reader.take_reserved("done")
    return body


def for_loop(reader: Parser) -> syntax.For:
    """`for name [in words]; do … done`."""
    reader.take_reserved("for")
    reader.blanks()
    name = reader.name_here()
    if not name:
        raise ShellSyntaxError(f"{reader.line_number}: Syntax error: Bad for loop variable")
    reader.index += len(name)
    words: list[syntax.Word] | None = None
    reader.newlines()
    if reader.reserved_here() == "in":
        reader.take_reserved("in")
        words = []
        reader.blanks()
        while not reader.at_end() and not reader.peek(";") and not reader.peek("\n"):
            words.append(reader.word())
            reader.blanks()
    if reader.peek(";"):
        reader.index += 1
    reader.newlines()
    found = None if words is None else tuple(words)
    return syntax.For(name, found, _do_group(reader), reader.redirections())


def case(reader: Parser) -> syntax.Case:
    """`case word in … esac`."""
    reader.take_reserved("case")
    reader.blanks()
    word = reader.word()
    reader.newlines()
    reader.take_reserved("in")
    reader.newlines()
    branches = []
    while reader.reserved_here() != "esac":
        if reader.peek("("):
            reader.index += 1
        patterns = [_case_pattern(reader)]
        while reader.peek("|"):
            reader.index += 1
            patterns.append(_case_pattern(reader))
        reader.expect(")")
        branches.append((tuple(patterns), reader.sequence(";;", "esac")))
        if reader.peek(";;"):
            reader.index += 2
        reader.newlines()
    reader.take_reserved("esac")
    return syntax.Case(word, tuple(branches), reader.redirections())


def _case_pattern(reader: Parser) -> syntax.Word:
    """One pattern of a case branch."""
    reader.blanks()
    word = reader.word()
    reader.blanks()
    return word


COMPOUNDS: dict[str, Callable[[Parser], syntax.Command]] = {
    "{": group,
    "if": conditional,
    "while": loop,
    "until": loop,
    "for": for_loop,
    "case": case,
}
