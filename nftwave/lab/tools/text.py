"""Programs that read text and write text (coreutils), as far as scripts on nodes use them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.streams import read_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nftwave.lab.shell.process import Call, Tool


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


async def cat(call: Call) -> int:
    """`cat`."""
    _, names = options(call.args, "")
    status = 0
    for name in names or ["-"]:
        if name == "-":
            while chunk := await call.stdin.read():
                await call.out(chunk)
            continue
        try:
            await call.out(call.machine.files.read(call.path(name), root=call.root))
        except FileError as error:
            status = await call.error(f"{name}: {error}")
    return status


async def head(call: Call) -> int:
    """`head`: -n and -c."""
    args = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in call.args]
    flags, names = options(args, "nc")
    if not names and "c" not in flags:
        await _first_lines(call, int(flags.get("n", "10")))
        return 0
    found = await inputs(call, names)
    for _, text in found:
        if "c" in flags:
            await call.out(text[: int(flags["c"])])
        else:
            await call.out("".join(text.splitlines(keepends=True)[: int(flags.get("n", "10"))]))
    return int(len(found) < len(names))


async def _first_lines(call: Call, count: int) -> None:
    """Lines as they come: what writes without end is stopped by the pipe when this ends."""
    while count > 0 and (chunk := await call.stdin.read()):
        lines = chunk.splitlines(keepends=True)[:count]
        await call.out("".join(lines))
        count -= sum(line.endswith("\n") for line in lines)


async def tail(call: Call) -> int:
    """`tail`: -n, -n +N and -c."""
    args = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in call.args]
    flags, names = options(args, "nc")
    found = await inputs(call, names)
    for _, text in found:
        units = list(text) if "c" in flags else text.splitlines(keepends=True)
        amount = flags.get("c") or flags.get("n", "10")
        count = int(amount)
        kept = units[max(count - 1, 0) :] if amount[:1] == "+" else units[len(units) - abs(count) :]
        await call.out("".join(kept if count or amount[:1] == "+" else []))
    return int(len(found) < len(names))


async def wc(call: Call) -> int:
    """`wc`."""
    flags, names = options(call.args, "")
    found = await inputs(call, names)
    for name, text in found:
        counts = {"l": text.count("\n"), "w": len(text.split()), "c": len(text.encode())}
        shown = [counts[letter] for letter in "lwc" if letter in flags or not flags]
        width = 7 if len(shown) > 1 else 1
        line = " ".join(str(count).rjust(width) for count in shown)
        await call.out(f"{line}{'' if name == '-' else ' ' + name}\n")
    return int(len(found) < len(names))


async def cut(call: Call) -> int:
    """`cut`: -d -f, -c and -b."""
    flags, names = options(call.args, "dfcb")
    chosen = _ranges(flags.get("f") or flags.get("c") or flags.get("b") or "")
    delimiter = flags.get("d", "\t")
    for _, text in await inputs(call, names):
        for line in text.splitlines():
            units = line.split(delimiter) if "f" in flags else list(line)
            if "f" in flags and len(units) == 1:
                await call.out("" if "s" in flags else line + "\n")
                continue
            kept = [unit for place, unit in enumerate(units, 1) if chosen(place)]
            await call.out((delimiter if "f" in flags else "").join(kept) + "\n")
    return 0


def _ranges(text: str) -> Callable[[int], bool]:
    """Whether a place is in a list such as 1,3-5,7-."""
    spans = []
    for span in text.split(","):
        low, dash, high = span.partition("-")
        spans.append((int(low or 1), int(high or 10**9) if dash else int(low or 1)))
    return lambda place: any(low <= place <= high for low, high in spans)


async def tr(call: Call) -> int:
    """`tr`: translate, -d, -s, -c."""
    flags, sets = options(call.args, "")
    first = _characters(sets[0])
    second = _characters(sets[1]) if len(sets) > 1 else ""
    complement = "c" in flags or "C" in flags
    while chunk := await call.stdin.read():
        out: list[str] = []
        for character in chunk:
            inside = (character in first) != complement
            new = character
            if inside and "d" in flags:
                continue
            if inside and second:
                place = len(second) - 1 if complement else first.index(character)
                new = second[min(place, len(second) - 1)]
            squeezed = second or first
            repeats = "s" in flags and out and out[-1] == new
            if not (repeats and ((new in squeezed) != (complement and not second))):
                out.append(new)
        await call.out("".join(out))
    return 0


CLASSES = {
    "alpha": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
    "upper": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "lower": "abcdefghijklmnopqrstuvwxyz",
    "digit": "0123456789",
    "space": "\t\n\v\f\r ",
    "blank": "\t ",
}
CLASSES["alnum"] = CLASSES["digit"] + CLASSES["alpha"]


def _characters(text: str) -> str:
    text = re.sub(r"\[:(\w+):\]", lambda found: CLASSES.get(found[1], ""), text)
    text = re.sub(r"\\(\d{1,3})", lambda found: chr(int(found[1], 8)), text)
    for escape, character in (("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\\\", "\\")):
        text = text.replace(escape, character)
    return re.sub(
        r"(.)-(.)", lambda found: "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))), text
    )


async def sort(call: Call) -> int:
    """`sort`: -n -r -u -k -t."""
    flags, names = options(call.args, "kto")
    lines = [line for _, text in await inputs(call, names) for line in text.splitlines()]
    field = re.match(r"\d+", flags.get("k", ""))
    numeric = "n" in flags or flags.get("k", "").endswith("n")

    def key(line: str) -> tuple[float, str]:
        value = line
        if field:
            parts = line.split(flags.get("t"))
            place = int(field.group()) - 1
            value = parts[place] if place < len(parts) else ""
        leading = re.match(r"\s*(-?\d+(?:\.\d+)?)", value) if numeric else None
        return (float(leading[1]) if leading else 0.0, "" if numeric else value)

    if "u" in flags:
        lines = list({key(line): line for line in reversed(lines)}.values())
    lines.sort(key=lambda line: (key(line), line), reverse="r" in flags)
    await call.out("".join(line + "\n" for line in lines))
    return 0


async def uniq(call: Call) -> int:
    """`uniq`: -c -d -u."""
    flags, names = options(call.args, "")
    runs: list[tuple[str, int]] = []
    for _, text in await inputs(call, names):
        for line in text.splitlines():
            if runs and runs[-1][0] == line:
                runs[-1] = (line, runs[-1][1] + 1)
            else:
                runs.append((line, 1))
    for line, count in runs:
        if ("d" in flags and count == 1) or ("u" in flags and count > 1):
            continue
        await call.out(f"{count:7d} {line}\n" if "c" in flags else line + "\n")
    return 0


async def tee(call: Call) -> int:
    """`tee`."""
    flags, names = options(call.args, "")
    text = await read_all(call.stdin)
    status = 0
    for name in names:
        if name == "/dev/stderr":
            await call.stderr.write(text)
            continue
        try:
            call.machine.files.write(call.path(name), text, root=call.root, append="a" in flags)
        except FileError as error:
            status = await call.error(f"{name}: {error}")
    await call.out(text)
    return status


async def seq(call: Call) -> int:
    """`seq`."""
    numbers = [int(word) for word in call.args]
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) == 3 else 1
    values = range(first, numbers[-1] + (1 if step > 0 else -1), step)
    await call.out("".join(f"{value}\n" for value in values))
    return 0


async def yes(call: Call) -> int:
    """`yes`, until nobody reads."""
    line = " ".join(call.args or ["y"]) + "\n"
    while True:
        await call.out(line * 512)


TOOLS: dict[str, Tool] = {
    "cat": cat,
    "cut": cut,
    "head": head,
    "seq": seq,
    "sort": sort,
    "tail": tail,
    "tee": tee,
    "tr": tr,
    "uniq": uniq,
    "wc": wc,
    "yes": yes,
}
