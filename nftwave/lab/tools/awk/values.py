"""awk's values: numbers, strings, and input that is both."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from nftwave.lab.shell import formatting

if TYPE_CHECKING:
    from collections.abc import Callable

Value = float | str
EXACT = 1e16  # below it a whole number is printed as one


class StrNum(str):
    """Input that looks like a number compares as one."""

    __slots__ = ()


NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
    "^": lambda a, b: a**b,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def to_number(value: Value) -> float:
    """A string's leading number."""
    if isinstance(value, float):
        return value
    found = NUMBER.match(value)
    return float(found.group()) if found else 0.0


def to_text(value: Value, form: str = "%.6g") -> str:
    """As awk prints a number."""
    if not isinstance(value, float):
        return value
    return str(int(value)) if abs(value) < EXACT and value == int(value) else form % value


def from_input(text: str) -> Value:
    """Fields and -v values are numbers if they look like it."""
    return StrNum(text) if NUMBER.fullmatch(text.rstrip()) else text


def compare(op: str, left: Value, right: Value) -> float:
    """Numbers as numbers, unless one side is a string."""
    if isinstance(left, (float, StrNum)) and isinstance(right, (float, StrNum)):
        return float(COMPARE[op](to_number(left), to_number(right)))
    return float(COMPARE[op](to_text(left), to_text(right)))


def is_true(value: Value) -> bool:
    """Whether a value counts as true."""
    return to_number(value) != 0 if isinstance(value, (float, StrNum)) else value != ""


def printf(template: str, values: list[Value]) -> str:
    """`printf` with awk's numbers: %d takes 3.9 and %c takes a code."""
    kinds = [found[4] for found in formatting.DIRECTIVE.finditer(template) if found[4] != "%"]
    shown = [_as_argument(kind, value) for kind, value in zip(kinds, values, strict=False)]
    text, _ = formatting.printf(template.replace("\\", "\\\\"), shown)
    return text


def _as_argument(kind: str, value: Value) -> str:
    if kind in "diouxX":
        return str(int(to_number(value)))
    if kind == "c" and isinstance(value, float):
        return chr(int(value))
    return repr(to_number(value)) if kind in "eEfgG" else to_text(value)
