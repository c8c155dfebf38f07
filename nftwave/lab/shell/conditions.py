"""What `test` and `[` decide (XCU test, with dash's -a, -o and parentheses)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell

UNARY = frozenset(
    ["-b", "-c", "-d", "-e", "-f", "-h", "-L", "-n", "-p", "-r", "-S", "-s", "-t", "-w", "-x", "-z"]
)
NUMERIC = {
    "-eq": lambda a, b: a == b,
    "-ne": lambda a, b: a != b,
    "-lt": lambda a, b: a < b,
    "-le": lambda a, b: a <= b,
    "-gt": lambda a, b: a > b,
    "-ge": lambda a, b: a >= b,
}
TEXTUAL = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


class ConditionError(Exception):
    """Not a condition; the text is dash's message."""


def holds(shell: Shell, args: list[str]) -> bool:
    """Whether the condition holds. Raises ConditionError."""
    if not args:
        return False
    tokens = list(args)
    value = _or(shell, tokens)
    if tokens:
        raise ConditionError(f"unexpected operator: {tokens[0]}")
    return value


def _or(shell: Shell, tokens: list[str]) -> bool:
    value = _and(shell, tokens)
    while tokens and tokens[0] == "-o":
        tokens.pop(0)
        value = _and(shell, tokens) or value
    return value


def _and(shell: Shell, tokens: list[str]) -> bool:
    value = _not(shell, tokens)
    while tokens and tokens[0] == "-a":
        tokens.pop(0)
        value = _not(shell, tokens) and value
    return value


def _not(shell: Shell, tokens: list[str]) -> bool:
    if len(tokens) > 1 and tokens[0] == "!" and not _is_binary(tokens):
        tokens.pop(0)
        return not _not(shell, tokens)
    return _primary(shell, tokens)


def _is_binary(tokens: list[str]) -> bool:
    return len(tokens) > 2 and (tokens[1] in NUMERIC or tokens[1] in TEXTUAL)


def _primary(shell: Shell, tokens: list[str]) -> bool:
    if not tokens:
        raise ConditionError("argument expected")
    if _is_binary(tokens):
        left, op, right = tokens.pop(0), tokens.pop(0), tokens.pop(0)
        if op in TEXTUAL:
            return bool(TEXTUAL[op](left, right))
        return bool(NUMERIC[op](_number(left), _number(right)))
    if tokens[0] == "(" and ")" in tokens:
        tokens.pop(0)
        value = _or(shell, tokens)
        if not tokens or tokens.pop(0) != ")":
            raise ConditionError("closing paren expected")
        return value
    if tokens[0] in UNARY and len(tokens) > 1:
        op, operand = tokens.pop(0), tokens.pop(0)
        return _unary(shell, op, operand)
    return tokens.pop(0) != ""


def _number(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise ConditionError(f"Illegal number: {text}") from None


def _unary(shell: Shell, op: str, operand: str) -> bool:
    if op in {"-n", "-z"}:
        return (operand != "") == (op == "-n")
    files = shell.session.machine.files
    path = posixpath.normpath(posixpath.join(shell.directory, operand))
    is_directory = files.is_directory(path)
    program = shell.session.machine.tool(path) is not None
    exists = bool(operand) and (files.exists(path) or program)
    match op:
        case "-e":
            return exists
        case "-f":
            return exists and not is_directory and not path.startswith("/dev/")
        case "-d":
            return is_directory
        case "-r":
            return program or (exists and files.may_read(path, root=shell.root))
        case "-w":
            return exists and files.may_write(path, root=shell.root)
        case "-x":
            return program or is_directory
        case "-s":
            return program or is_directory or _has_text(shell, path)
        case "-c":
            return exists and path == "/dev/null"
    return False


def _has_text(shell: Shell, path: str) -> bool:
    try:
        return bool(shell.session.machine.files.read(path, root=True))
    except FileError:
        return False
