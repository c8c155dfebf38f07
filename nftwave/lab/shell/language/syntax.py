"""What a POSIX shell script is made of, as the parser gives it to the interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text; `quoted` text is neither split nor used as a pattern."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, `${name}` and `${name<op>word}`; op `len` is `${#name}`."""

    name: str
    op: str
    word: Word | None
    quoted: bool


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(…)` and backticks."""

    program: Program
    quoted: bool


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((…))`: the word is expanded first, then evaluated."""

    expression: Word
    quoted: bool


Part = Text | Parameter | Substitution | Arithmetic


@dataclass(frozen=True, slots=True)
class Word:
    """One word before expansion."""

    parts: tuple[Part, ...]

    @property
    def literal(self) -> str | None:
        """The text of a word without quotes and expansions, else None."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text) and not self.parts[0].quoted:
            return self.parts[0].text
        return None


@dataclass(slots=True)
class HereDocument:
    """The body of a here-document; it is read after the line that asks for it."""

    word: Word


@dataclass(frozen=True, slots=True)
class Redirection:
    """`fd op target`."""

    fd: int
    op: str
    target: Word | HereDocument


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, words and redirections."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Group:
    """`{ …; }` or, as a subshell, `( … )`."""

    body: Sequence
    subshell: bool
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class If:
    """Pairs of condition and body; an else has the condition None."""

    branches: tuple[tuple[Sequence | None, Sequence], ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """`while` and `until`."""

    condition: Sequence
    body: Sequence
    until: bool
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words`; without `in` the words are None: the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: Sequence
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern|pattern) body;; esac`."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], Sequence], ...]
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """`name() body`."""

    name: str
    body: Command


Command = Simple | Group | If | Loop | For | Case | Function


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`."""

    commands: tuple[Command, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class AndOr:
    """Pipelines joined by `&&` and `||`; the first has the joint `first`."""

    links: tuple[tuple[Literal["first", "&&", "||"], Pipeline], ...]
    background: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """Lists, one after the other."""

    items: tuple[AndOr, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A script; a shell runs what stands before its first syntax error."""

    body: Sequence
    error: str | None
