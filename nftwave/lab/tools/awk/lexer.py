"""Tokens of awk programs (XCU awk)."""

from __future__ import annotations

import re
from dataclasses import dataclass

KEYWORDS = frozenset(
    [
        "BEGIN",
        "END",
        "function",
        "if",
        "else",
        "while",
        "for",
        "do",
        "break",
        "continue",
        "next",
        "exit",
        "return",
        "delete",
        "in",
        "getline",
        "print",
        "printf",
    ]
)
TOKEN = re.compile(
    r"(?P<blank>[ \t]+|\\\r?\n|#[^\n]*)"
    r"|(?P<newline>\r?\n)"
    r'|(?P<string>"(?:\\.|[^"\\])*")'
    r"|(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>&&|\|\||\+\+|--|[-+*/%^]=|[<>=!]=|>>|!~|[-+*/%^!<>=|?:~$,;(){}\[\]])",
)
REGEX = re.compile(r"/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[])*)/")
ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "/": "/",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}
OPERAND_ENDS = frozenset({")", "]", "$", "++", "--"})


class AwkSyntaxError(Exception):
    """Not an awk program."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Kinds: keyword, name, call (a name right before a parenthesis), number, string, regex, op,
    newline and end.
    """

    kind: str
    text: str


def tokens(program: str) -> list[Token]:
    """All tokens. Raises AwkSyntaxError."""
    found: list[Token] = []
    place = 0
    while place < len(program):
        if program[place] == "/" and not _after_operand(found):
            regex = REGEX.match(program, place)
            if not regex:
                raise AwkSyntaxError("unterminated regexp")
            found.append(Token("regex", regex[1].replace("\\/", "/")))
            place = regex.end()
            continue
        match = TOKEN.match(program, place)
        if not match:
            raise AwkSyntaxError(f"syntax error near {program[place : place + 10]!r}")
        place = match.end()
        if match.lastgroup != "blank":
            found.append(_token(match, program))
    return [*found, Token("end", "")]


def _token(match: re.Match[str], program: str) -> Token:
    kind, text = match.lastgroup or "", match.group()
    if kind == "string":
        return Token("string", unescape(text[1:-1]))
    if kind == "name" and text in KEYWORDS:
        return Token("keyword", text)
    if kind == "name" and program.startswith("(", match.end()):
        return Token("call", text)
    return Token(kind, text)


def unescape(text: str) -> str:
    """Backslashes in a string."""
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], "\\" + found[1]), text)


def _after_operand(found: list[Token]) -> bool:
    """Whether a slash here divides."""
    if not found:
        return False
    last = found[-1]
    return last.kind in {"name", "number", "string", "regex"} or last.text in OPERAND_ENDS
