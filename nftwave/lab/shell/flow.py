"""How a script leaves what it is in, and where dash and bash differ."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where dash and bash differ in what scripts see."""

    name: str
    unset: str
    not_found: str
    escapes_in_echo: bool
    bad_redirection: str


DASH = Dialect(
    "sh",
    "parameter not set",
    "{shell}: {line}: {name}: not found",
    escapes_in_echo=True,
    bad_redirection="{line}: {error}",
)
BASH = Dialect(
    "bash",
    "unbound variable",
    "{shell}: line {line}: {name}: command not found",
    escapes_in_echo=False,
    bad_redirection="{error}",
)


class LoopExit(Exception):
    """`break` and `continue`."""

    def __init__(self, levels: int, *, again: bool) -> None:
        super().__init__()
        self.levels = levels
        self.again = again


class FunctionReturn(Exception):
    """`return`."""


class ShellExit(Exception):
    """`exit`, or an error that ends a shell."""
