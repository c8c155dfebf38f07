"""What expansions give, piece by piece: field splitting and patterns of it (XCU 2.6.5, 2.13)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an expanded word. `split`: it came from an unquoted expansion."""

    text: str
    quoted: bool
    split: bool = False


BREAK = Piece("", quoted=False)  # between the parameters of "$@"; known by identity
Pieces = list[Piece]


def trim(value: str, op: str, expression: str) -> str:
    """Remove the shortest or longest matching prefix or suffix."""
    lengths: Sequence[int] = range(len(value) + 1)
    if op in {"##", "%%"}:
        lengths = lengths[::-1]
    matches = re.compile(expression, re.DOTALL).fullmatch
    for length in lengths:
        if op[0] == "#" and matches(value[:length]):
            return value[length:]
        if op[0] == "%" and matches(value[len(value) - length :]):
            return value[: len(value) - length]
    return value


def pattern_of(found: Pieces) -> str:
    """A shell pattern as a regular expression; quoted pieces stand for themselves."""
    expression = ""
    for piece in found:
        expression += re.escape(piece.text) if piece.quoted else _unquoted_pattern(piece.text)
    return expression


def _unquoted_pattern(value: str) -> str:
    expression, place = "", 0
    while place < len(value):
        character = value[place]
        bracket = re.compile(r"\[([!^]?)(\]?[^\]]*)\]").match(value, place)
        place += 1
        if character == "*":
            expression += ".*"
        elif character == "?":
            expression += "."
        elif bracket:
            place = bracket.end()
            inside = re.sub(r"\[:(\w+):\]", "", bracket[2]).replace("\\", "\\\\")
            expression += f"[{'^' if bracket[1] else ''}{inside}]"
        else:
            expression += re.escape(character)
    return expression


def split(found: Pieces, ifs: str) -> list[Pieces]:
    """Field splitting (XCU 2.6.5)."""
    if not any(piece.split or piece is BREAK for piece in found):
        kept = [piece for piece in found if piece.text or piece.quoted]
        return [kept] if kept else []
    result: list[Pieces] = []
    current: Pieces = []
    splitter = _splitter(ifs)
    for piece in found:
        if piece is BREAK:
            if current:
                result.append(current)
            current = []
            continue
        parts = splitter(piece.text) if piece.split else [(piece.text, "")]
        for value, separator in parts:
            if value or piece.quoted:
                current.append(Piece(value, piece.quoted))
            if separator and (current or separator.strip(" \t\n")):
                result.append(current)
                current = []
    if current:
        result.append(current)
    return result


def _splitter(ifs: str) -> Callable[[str], list[tuple[str, str]]]:
    """Cut a text into pairs of field and separator; the last separator is empty."""
    if not ifs:
        return lambda value: [(value, "")]
    blank = "".join(character for character in ifs if character in " \t\n")
    other = "".join(character for character in ifs if character not in blank)
    blanks = f"[{re.escape(blank)}]" if blank else "(?!)"
    others = f"[{re.escape(other)}]" if other else "(?!)"
    expression = re.compile(f"({blanks}*{others}{blanks}*|{blanks}+)")

    def cut(value: str) -> list[tuple[str, str]]:
        found = [*expression.split(value), ""]
        return list(zip(found[::2], found[1::2], strict=True))

    return cut
