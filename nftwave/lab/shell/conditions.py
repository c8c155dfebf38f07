"""What `test` and `[` decide (XCU test, with dash's -a, -o and parentheses)."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError

if TYPE_CHECKING:
    from collections.abc import Callable

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
    path = posixpath.normpath(posixpath.join(shell.directory, operand))
    check = FILE_CHECKS.get(op)
    return bool(operand) and check is not None and check(shell, path)


def _exists(shell: Shell, path: str) -> bool:
    return shell.session.machine.files.exists(path) or _is_program(shell, path)


def _is_program(shell: Shell, path: str) -> bool:
    return shell.session.machine.tool(path) is not None


def _is_directory(shell: Shell, path: str) -> bool:
    return shell.session.machine.files.is_directory(path)


def _is_file(shell: Shell, path: str) -> bool:
    special = path.startswith("/dev/") or _is_directory(shell, path)
    return _exists(shell, path) and not special


def _is_readable(shell: Shell, path: str) -> bool:
    files = shell.session.machine.files
    return _is_program(shell, path) or files.may_read(path, root=shell.root)


def _is_writable(shell: Shell, path: str) -> bool:
    files = shell.session.machine.files
    return files.exists(path) and files.may_write(path, root=shell.root)


def _is_executable(shell: Shell, path: str) -> bool:
    return _is_program(shell, path) or _is_directory(shell, path)


def _has_text(shell: Shell, path: str) -> bool:
    if _is_executable(shell, path):
        return True
    try:
        return bool(shell.session.machine.files.read(path, root=True))
    except FileError:
        return False


FILE_CHECKS: dict[str, Callable[[Shell, str], bool]] = {
    "-c": lambda _, path: path == "/dev/null",
    "-d": _is_directory,
    "-e": _exists,
    "-f": _is_file,
    "-r": _is_readable,
    "-s": _has_text,
    "-w": _is_writable,
    "-x": _is_executable,
}
