"""`printf` and the backslashes of `echo` (XCU printf)."""

from __future__ import annotations

import re

from nftwave.lab.shell.arithmetic import ArithmeticSyntaxError, number

ESCAPE = re.compile(r"\\(0[0-7]{0,3}|[0-7]{1,3}|.)", re.DOTALL)
SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}
DIRECTIVE = re.compile(r"%([-+ #0]*)(\*|\d*)(?:\.(\*|\d*))?([diouxXcsbeEfgG%])")


def unescape(text: str) -> tuple[str, bool]:
    r"""Backslashes as `echo` and %b know them; True if `\c` ended the output."""
    stop = text.find("\\c")
    body = text if stop < 0 else text[:stop]
    return ESCAPE.sub(_escaped, body), stop >= 0


def _escaped(found: re.Match[str]) -> str:
    value = found.group(1)
    if value[0] in "01234567":
        return chr(int(value, 8) & 255)
    return SIMPLE.get(value, "\\" + value)


def printf(template: str, args: list[str]) -> tuple[str, list[str]]:
    """The text, and messages about arguments that are no numbers."""
    output: list[str] = []
    problems: list[str] = []
    remaining = list(args)
    while True:
        before = len(remaining)
        if not _once(template, remaining, output, problems):
            break
        if not remaining or len(remaining) == before:
            break
    return "".join(output), problems


def _once(template: str, args: list[str], output: list[str], problems: list[str]) -> bool:
    r"""Go through the template once; False if a `\c` in a %b ended the output."""
    place = 0
    for found in DIRECTIVE.finditer(template):
        output.append(ESCAPE.sub(_escaped, template[place : found.start()]))
        place = found.end()
        flags, width, precision, kind = found.groups()
        if kind == "%":
            output.append("%")
            continue
        width = _argument(args) if width == "*" else width
        precision = _argument(args) if precision == "*" else precision
        text, stop = _convert(kind, _argument(args), flags, precision, problems)
        output.append(_pad(text, flags, width, kind))
        if stop:
            return False
    output.append(ESCAPE.sub(_escaped, template[place:]))
    return True


def _argument(args: list[str]) -> str:
    return args.pop(0) if args else ""


def _convert(
    kind: str, value: str, flags: str, precision: str | None, problems: list[str]
) -> tuple[str, bool]:
    if kind == "b":
        return unescape(value)
    if kind in "sc":
        text = value[:1] if kind == "c" else value
        return (text if precision is None else text[: int(precision or 0)]), False
    if kind in "eEfgG":
        try:
            amount = float(value or 0)
        except ValueError:
            problems.append(f"{value}: expected numeric value")
            amount = 0.0
        return f"%{flags.replace('-', '')}.{precision or 6}{kind}" % amount, False
    integer = _integer(value, problems)
    sign = "+" if "+" in flags and kind in "di" else ""
    prefix = "#" if "#" in flags else ""
    return f"%{sign}{prefix}{kind.replace('i', 'd').replace('u', 'd')}" % integer, False


def _integer(value: str, problems: list[str]) -> int:
    if value[:1] in {"'", '"'}:
        return ord(value[1]) if len(value) > 1 else 0
    try:
        return number(value.strip() or "0")
    except ArithmeticSyntaxError:
        problems.append(f"{value}: expected numeric value")
        leading = re.match(r"[-+]?\d+", value)
        return int(leading.group()) if leading else 0


def _pad(text: str, flags: str, width: str, kind: str) -> str:
    if not width:
        return text
    if "-" in flags:
        return text.ljust(int(width))
    if "0" in flags and kind not in "sbc":
        return text.zfill(int(width))
    return text.rjust(int(width))
