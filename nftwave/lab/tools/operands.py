"""Options and input files of programs that read text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.streams import read_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.shell.process import Call


async def inputs(call: Call, names: list[str]) -> list[tuple[str, str]]:
    """The named files and their text, standard input for none or `-`; says which are missing."""
    found = []
    for name in names or ["-"]:
        if name == "-":
            found.append((name, await read_all(call.stdin)))
            continue
        try:
            found.append((name, call.machine.files.read(call.path(name), root=call.root)))
        except FileError as error:
            await call.error(f"{name}: {error}")
    return found


def options(args: list[str], with_value: str) -> tuple[dict[str, str], list[str]]:
    """Short options, those of `with_value` with their value, and the operands."""
    found: dict[str, str] = {}
    operands: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            operands.extend(words)
        elif len(word) > 1 and word[0] == "-":
            _letters(word[1:], words, with_value, found)
        else:
            operands.append(word)
    return found, operands


def _letters(letters: str, words: Iterator[str], with_value: str, found: dict[str, str]) -> None:
    while letters:
        letter, letters = letters[0], letters[1:]
        if letter in with_value:
            found[letter] = letters or next(words, "")
            return
        found[letter] = ""
