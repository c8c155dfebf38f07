"""Integer arithmetic as in `$((…))` (XCU 2.6.4)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

TOKEN = re.compile(
    r"\s*(0[xX][0-9a-fA-F]+|[0-9]+|[A-Za-z_]\w*|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S)",
)
BINARY = {
    "||": 1,
    "&&": 2,
    "|": 3,
    "^": 4,
    "&": 5,
    "==": 6,
    "!=": 6,
    "<": 7,
    "<=": 7,
    ">": 7,
    ">=": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "%": 10,
}
ASSIGNMENTS = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}


class ArithmeticSyntaxError(Exception):
    """The expression cannot be evaluated; the text is the shell's message."""


def evaluate(expression: str, variables: MutableMapping[str, str]) -> int:
    """Evaluate; assignments change the variables. Raises ArithmeticSyntaxError."""
    evaluation = _Evaluation(TOKEN.findall(expression), variables)
    if not evaluation.tokens:
        return 0
    value = evaluation.ternary()
    if evaluation.tokens:
        raise ArithmeticSyntaxError(f'arithmetic expression: expecting EOF: "{expression}"')
    return _wrap(value)


def number(text: str) -> int:
    """A number as the shell reads it: decimal, octal with 0, hexadecimal with 0x."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    try:
        if digits.lower().startswith("0x"):
            return sign * int(digits, 16)
        return sign * int(digits, 8 if digits.startswith("0") else 10)
    except ValueError:
        raise ArithmeticSyntaxError(f"Illegal number: {text}") from None


def _wrap(value: int) -> int:
    """Two's complement in 64 bits."""
    return (value + 2**63) % 2**64 - 2**63


def _quotient(left: int, right: int) -> int:
    if right == 0:
        raise ArithmeticSyntaxError("arithmetic expression: division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
    "&": lambda a, b: a & b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "<<": lambda a, b: a << (b & 63),
    ">>": lambda a, b: a >> (b & 63),
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _quotient,
    "%": lambda a, b: a - b * _quotient(a, b),
    "&&": lambda a, b: int(bool(a) and bool(b)),
    "||": lambda a, b: int(bool(a) or bool(b)),
}

UNARY: dict[str, Callable[[int], int]] = {
    "-": lambda a: -a,
    "+": lambda a: a,
    "!": lambda a: int(not a),
    "~": lambda a: ~a,
}


class _Evaluation:
    """Precedence climbing over the tokens."""

    def __init__(self, tokens: list[str], variables: MutableMapping[str, str]) -> None:
        self.tokens = tokens
        self.variables = variables

    def take(self, expected: str | None = None) -> str:
        if not self.tokens or (expected and self.tokens[0] != expected):
            raise ArithmeticSyntaxError("arithmetic expression: expecting primary")
        return self.tokens.pop(0)

    def ternary(self) -> int:
        if len(self.tokens) > 1 and self.tokens[1] in ASSIGNMENTS:
            return self.assignment()
        condition = self.binary(1)
        if not self.tokens or self.tokens[0] != "?":
            return condition
        self.take("?")
        first = self.ternary()
        self.take(":")
        second = self.ternary()
        return first if condition else second

    def assignment(self) -> int:
        name, op = self.take(), self.take()
        value = self.ternary()
        if op != "=":
            value = OPERATIONS[op[:-1]](self.lookup(name), value)
        self.variables[name] = str(_wrap(value))
        return value

    def binary(self, lowest: int) -> int:
        left = self.unary()
        while self.tokens and BINARY.get(self.tokens[0], 0) >= lowest:
            op = self.take()
            right = self.binary(BINARY[op] + 1)
            left = _wrap(OPERATIONS[op](left, right))
        return left

    def unary(self) -> int:
        first = self.take()
        if first in UNARY:
            return UNARY[first](self.unary())
        if first == "(":
            value = self.ternary()
            self.take(")")
            return value
        if first[0].isdigit():
            return number(first)
        if first[0].isalpha() or first[0] == "_":
            return self.lookup(first)
        raise ArithmeticSyntaxError("arithmetic expression: expecting primary")

    def lookup(self, name: str) -> int:
        return number(self.variables.get(name, "") or "0")
