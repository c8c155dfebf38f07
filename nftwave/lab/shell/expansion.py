"""From words to fields: parameters, substitutions, splitting, pathnames (XCU 2.6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.shell import arithmetic
from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.pieces import BREAK, Piece, Pieces, pattern_of, split, trim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.shell.interpreter import Shell

GLOB = re.compile(r"[*?]|\[[^\]]+\]")


class ExpansionError(Exception):
    """An expansion failed: the shell says so and exits with 2."""


async def fields(shell: Shell, words: Sequence[syntax.Word]) -> list[str]:
    """The fields that the words become."""
    found: list[str] = []
    for word in words:
        literal = word.literal
        if literal is not None and literal[0] != "~" and not GLOB.search(literal):
            found.append(literal)
            continue
        for field in split(await pieces(shell, word), shell.variables.get("IFS", " \t\n")):
            found.extend(pathnames(shell, field))
    return found


async def text(shell: Shell, word: syntax.Word) -> str:
    """The word as one string: assignments, redirections, here-documents."""
    literal = word.literal
    if literal is not None and literal[:1] != "~":
        return literal
    found = await pieces(shell, word)
    return "".join(" " if piece is BREAK else piece.text for piece in found)


async def pattern(shell: Shell, word: syntax.Word) -> str:
    """The word as a regular expression for the whole string."""
    return pattern_of(await pieces(shell, word))


async def pieces(shell: Shell, word: syntax.Word, *, split_text: bool = False) -> Pieces:
    """Expand all but splitting and pathnames."""
    found: Pieces = []
    for place, part in enumerate(word.parts):
        match part:
            case syntax.Text(value, quoted):
                if place == 0 and not quoted and value[:1] == "~":
                    value = tilde(shell, value)
                found.append(Piece(value, quoted, split_text and not quoted))
            case syntax.Parameter():
                found.extend(await parameter(shell, part))
            case syntax.Substitution(program, quoted):
                output = await shell.substitute(program)
                found.append(Piece(output.rstrip("\n"), quoted, not quoted))
            case syntax.Arithmetic(expression, quoted):
                try:
                    value = str(arithmetic.evaluate(await text(shell, expression), shell.variables))
                except arithmetic.ArithmeticSyntaxError as error:
                    raise ExpansionError(str(error)) from error
                found.append(Piece(value, quoted, not quoted))
    return found


def tilde(shell: Shell, value: str) -> str:
    """`~` and `~/…`."""
    home = shell.variables.get("HOME", "~")
    return home + value[1:] if value == "~" or value.startswith("~/") else value


async def parameter(shell: Shell, part: syntax.Parameter) -> Pieces:
    """`$name` and `${name…}`."""
    value = shell.parameter(part.name)
    op = part.op.lstrip(":")
    absent = value is None or (part.op.startswith(":") and value == "")
    if part.op == "len":
        return [Piece(str(len(value or "")), part.quoted)]
    if op in {"-", "=", "?", "+"}:
        word = part.word or syntax.Word(())
        if op == "+":
            return [] if absent else await pieces(shell, word, split_text=not part.quoted)
        if absent:
            return await default(shell, part, word)
    elif value is None:
        if "u" in shell.options and part.name not in {"@", "*"}:
            raise ExpansionError(f"{part.name}: {shell.dialect.unset}")
        return []
    if part.name in {"@", "*"} and not op:
        return all_parameters(shell, part)
    if op in {"#", "##", "%", "%%"} and part.word is not None:
        value = trim(value or "", op, pattern_of(await pieces(shell, part.word)))
    return [Piece(value or "", part.quoted, not part.quoted)]


async def default(shell: Shell, part: syntax.Parameter, word: syntax.Word) -> Pieces:
    """`${name-word}`, `${name=word}`, `${name?word}` where the parameter is absent."""
    if part.op.endswith("?"):
        message = await text(shell, word) or "parameter not set or null"
        raise ExpansionError(f"{part.name}: {message}")
    if part.op.endswith("="):
        shell.assign(part.name, await text(shell, word))
        return [Piece(shell.variables[part.name], part.quoted, not part.quoted)]
    return await pieces(shell, word, split_text=not part.quoted)


def all_parameters(shell: Shell, part: syntax.Parameter) -> Pieces:
    """`$@` and `$*`."""
    if part.name == "*" and part.quoted:
        joint = shell.variables.get("IFS", " ")[:1]
        return [Piece(joint.join(shell.parameters), quoted=True)]
    found: Pieces = []
    for place, value in enumerate(shell.parameters):
        if place:
            found.append(BREAK)
        found.append(Piece(value, part.quoted, not part.quoted))
    return found


def pathnames(shell: Shell, field: Pieces) -> list[str]:
    """Pathname expansion of one field."""
    value = "".join(piece.text for piece in field)
    globs = any(not piece.quoted and GLOB.search(piece.text) for piece in field)
    if not globs or "f" in shell.options:
        return [value]
    absolute = value if value.startswith("/") else shell.directory.rstrip("/") + "/" + value
    found = shell.session.machine.files.matching(absolute)
    if not value.startswith("/"):
        found = [path[len(shell.directory.rstrip("/")) + 1 :] for path in found]
    return found or [value]
