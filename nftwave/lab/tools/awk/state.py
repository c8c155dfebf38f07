"""What an awk program remembers: variables, arrays, the record and its fields."""

from __future__ import annotations

import re
from typing import Any

from nftwave.lab.tools.awk.values import StrNum, Value, from_input, to_number, to_text
from nftwave.lab.tools.patterns import expression

SUBSEP = "\x1c"


class State:
    """Variables and the current record."""

    def __init__(self, variables: dict[str, str], text: str) -> None:
        self.variables: dict[str, Value] = {
            "FS": " ",
            "OFS": " ",
            "ORS": "\n",
            "RS": "\n",
            "NR": 0.0,
            "NF": 0.0,
            "SUBSEP": SUBSEP,
            "OFMT": "%.6g",
            "RSTART": 0.0,
            "RLENGTH": -1.0,
            "FNR": 0.0,
        }
        self.variables |= {name: from_input(value) for name, value in variables.items()}
        self.arrays: dict[str, dict[str, Value]] = {}
        self.frames: list[dict[str, Any]] = []
        self.record = ""
        self.fields: list[str] = []
        self._text = text

    def setting(self, name: str) -> str:
        """A special variable as text."""
        return to_text(self.variables[name])

    def next_record(self) -> bool:
        """Read one record; False at the end."""
        if not self._text:
            return False
        separator = self.setting("RS")
        if separator == "":
            record, *rest = re.split(r"\n{2,}", self._text.lstrip("\n"), maxsplit=1)
            self._text = rest[0] if rest else ""
            record = record.rstrip("\n")
        else:
            record, _, self._text = self._text.partition(separator)
        self.variables["NR"] = self.variables["FNR"] = to_number(self.variables["NR"]) + 1
        self.set_record(record)
        return True

    def set_record(self, record: str) -> None:
        """$0 and, from it, the fields."""
        self.record = record
        self.fields = split(record, self.setting("FS"))
        self.variables["NF"] = float(len(self.fields))

    def lookup(self, name: str) -> Value:
        """A variable's value."""
        if self.frames and name in self.frames[-1]:
            value: Value = self.frames[-1][name]
            return "" if isinstance(value, dict) else value
        return self.variables.get(name, StrNum(""))

    def array(self, name: str) -> dict[str, Value]:
        """An array, made when it is first used."""
        if self.frames and name in self.frames[-1]:
            if not isinstance(self.frames[-1][name], dict):
                self.frames[-1][name] = {}
            found: dict[str, Value] = self.frames[-1][name]
            return found
        return self.arrays.setdefault(name, {})

    def field(self, number: int) -> Value:
        """`$number`."""
        if number == 0:
            return from_input(self.record)
        return from_input(self.fields[number - 1]) if number <= len(self.fields) else StrNum("")

    def set_variable(self, name: str, value: Value) -> None:
        """Set a variable; a new NF puts the record together anew."""
        if self.frames and name in self.frames[-1]:
            self.frames[-1][name] = value
            return
        self.variables[name] = value
        if name == "NF":
            count = int(to_number(value))
            self.fields = (self.fields + [""] * count)[:count]
            self.record = self.setting("OFS").join(self.fields)

    def set_field(self, number: int, text: str) -> None:
        """Set `$number`; the record is put together anew."""
        if number == 0:
            self.set_record(text)
            return
        self.fields += [""] * (number - len(self.fields))
        self.fields[number - 1] = text
        self.variables["NF"] = float(len(self.fields))
        self.record = self.setting("OFS").join(self.fields)


def split(text: str, separator: str) -> list[str]:
    """Cut a text into fields."""
    if separator == " ":
        return text.split()
    if not text:
        return []
    if len(separator) == 1 and separator != "\\":
        return text.split(separator)
    return expression(separator, extended=True).split(text)
