"""Running awk programs over text that is known; output is collected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from nftwave.lab.shell import formatting
from nftwave.lab.tools.awk.parser import BUILTINS, Program, Tree
from nftwave.lab.tools.patterns import expression

Value = float | str


class StrNum(str):
    """Input that looks like a number compares as one."""

    __slots__ = ()


class Leave(Exception):
    """break, continue, next, exit, return; with a value."""

    def __init__(self, kind: str, value: Value = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.value = value


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
    return str(int(value)) if value == int(value) and abs(value) < 1e16 else form % value


def from_input(text: str) -> Value:
    """Fields and -v values are numbers if they look like it."""
    return StrNum(text) if NUMBER.fullmatch(text.rstrip()) else text


class Awk:
    """The state of one run."""

    def __init__(self, program: Program, variables: dict[str, str], text: str) -> None:
        self.program = program
        self.variables: dict[str, Value] = {
            "FS": " ", "OFS": " ", "ORS": "\n", "RS": "\n", "NR": 0.0, "NF": 0.0, "SUBSEP": "\x1c",
            "CONVFMT": "%.6g", "OFMT": "%.6g", "RSTART": 0.0, "RLENGTH": -1.0, "FNR": 0.0,
        }  # fmt: skip
        self.variables |= {name: from_input(value) for name, value in variables.items()}
        self.arrays: dict[str, dict[str, Value]] = {}
        self.frames: list[dict[str, Any]] = []
        self.record = ""
        self.fields: list[str] = []
        self.records = iter(self._split_records(text))
        self.output: list[str] = []
        self.errors: list[str] = []
        self.status = 0
        self.active: set[int] = set()

    def _split_records(self, text: str) -> list[str]:
        separator = to_text(self.variables["RS"])
        if separator == "":
            return [one.strip("\n") for one in re.split(r"\n{2,}", text.strip("\n")) if one]
        lines = text.split(separator)
        return lines[:-1] if lines[-1] == "" else lines

    def run(self) -> int:
        """Run to the exit status."""
        try:
            for body in self.program.begin:
                self.statement(body)
            if self.program.rules or self.program.end:
                while self.next_record():
                    self.rules()
        except Leave as leave:
            if leave.kind != "exit":
                raise
        try:
            for body in self.program.end:
                self.statement(body)
        except Leave as final:
            if final.kind != "exit":
                raise
        return self.status

    def next_record(self) -> bool:
        """Read one record."""
        record = next(self.records, None)
        if record is None:
            return False
        self.variables["NR"] = to_number(self.variables["NR"]) + 1
        self.variables["FNR"] = self.variables["NR"]
        self.set_record(record)
        return True

    def set_record(self, record: str) -> None:
        """$0 and, from it, the fields."""
        self.record = record
        self.fields = self.split(record, to_text(self.variables["FS"]))
        self.variables["NF"] = float(len(self.fields))

    @staticmethod
    def split(text: str, separator: str) -> list[str]:
        """Cut a text into fields."""
        if separator == " ":
            return text.split()
        if not text:
            return []
        if len(separator) == 1 and separator != "\\":
            return text.split(separator)
        return expression(separator, extended=True).split(text)

    def rules(self) -> None:
        """Apply the rules to the record."""
        try:
            for place, (first, second, body) in enumerate(self.program.rules):
                if self.selected(place, first, second):
                    if body is None:
                        self.output.append(self.record + to_text(self.variables["ORS"]))
                    else:
                        self.statement(body)
        except Leave as leave:
            if leave.kind != "next":
                raise

    def selected(self, place: int, first: Tree | None, second: Tree | None) -> bool:
        """Whether a rule's pattern holds."""
        if first is None:
            return True
        if second is None:
            return self.truth(first)
        if place not in self.active and not self.truth(first):
            return False
        self.active.add(place)
        if self.truth(second):
            self.active.discard(place)
        return True

    def statement(self, tree: Tree) -> None:
        """Run one statement."""
        match tree:
            case ("block", statements):
                for one in statements:
                    self.statement(one)
            case ("expression", inner):
                self.value(inner)
            case ("if", condition, body, other):
                if self.truth(condition):
                    self.statement(body)
                elif other:
                    self.statement(other)
            case ("for", first, condition, step, body):
                self.loop(first, condition, step, body)
            case ("do", body, condition):
                self.loop(body, condition, None, body)
            case ("forin", name, array, body):
                self.for_in(name, array, body)
            case ("print" | "printf", _, _, _):
                self.print(tree)
            case ("delete", name, index):
                if index is None:
                    self.array(name).clear()
                else:
                    self.array(name).pop(self.key(index), None)
            case ("exit", value):
                if value:
                    self.status = int(to_number(self.value(value)))
                raise Leave("exit")
            case ("return", value):
                raise Leave("return", self.value(value) if value else "")
            case (kind,):
                raise Leave(kind)

    def loop(
        self, first: Tree | None, condition: Tree | None, step: Tree | None, body: Tree
    ) -> None:
        """`for`, `while`, `do`."""
        if first:
            self.statement(first)
        while condition is None or self.truth(condition):
            if not self.once(body):
                return
            if step:
                self.statement(step)

    def for_in(self, name: str, array: str, body: Tree) -> None:
        """`for (k in a)`."""
        for key in list(self.array(array)):
            self.assign(("variable", name), from_input(key))
            if not self.once(body):
                return

    def once(self, body: Tree) -> bool:
        """One round of a loop; False after a break."""
        try:
            self.statement(body)
        except Leave as leave:
            if leave.kind == "break":
                return False
            if leave.kind != "continue":
                raise
        return True

    def print(self, tree: Tree) -> None:
        """`print` and `printf`."""
        kind, arguments, redirection, target = tree
        if kind == "printf":
            values = [self.value(one) for one in arguments]
            text = self.format(to_text(values[0]), values[1:])
        else:
            form = to_text(self.variables["OFMT"])
            shown = [to_text(self.value(one), form) for one in arguments] or [self.record]
            text = to_text(self.variables["OFS"]).join(shown) + to_text(self.variables["ORS"])
        name = to_text(self.value(target)) if redirection else ""
        (self.errors if name in {"/dev/stderr", "cat 1>&2", "cat >&2"} else self.output).append(
            text
        )

    @staticmethod
    def format(template: str, values: list[Value]) -> str:
        """`printf` with awk's numbers: %d takes 3.9 and %c takes a code."""
        kinds = [found[4] for found in formatting.DIRECTIVE.finditer(template) if found[4] != "%"]
        shown = []
        for kind, value in zip(kinds, values, strict=False):
            if kind in "diouxX":
                shown.append(str(int(to_number(value))))
            elif kind == "c" and isinstance(value, float):
                shown.append(chr(int(value)))
            elif kind in "eEfgG":
                shown.append(repr(to_number(value)))
            else:
                shown.append(to_text(value))
        text, _ = formatting.printf(template.replace("\\", "\\\\"), shown[: len(kinds)])
        return text

    def truth(self, tree: Tree) -> bool:
        """Whether an expression is true."""
        value = self.value(tree)
        if isinstance(value, (float, StrNum)):
            return to_number(value) != 0
        return value != ""

    def value(self, tree: Tree) -> Value:
        """Evaluate an expression."""
        match tree:
            case ("number" | "string", value):
                return value  # type: ignore[no-any-return]
            case ("regex", pattern):
                return float(bool(expression(pattern, extended=True).search(self.record)))
            case ("group", [inner]):
                return self.value(inner)
            case ("group", inner):
                return to_text(self.variables["SUBSEP"]).join(to_text(self.value(one))
                                                              for one in inner)  # fmt: skip
            case ("variable", name):
                return self.lookup(name)
            case ("field", index):
                return self.field(int(to_number(self.value(index))))
            case ("element", name, index):
                return self.array(name).setdefault(self.key(index), "")
            case ("in", index, name):
                return float(self.key(index) in self.array(name))
            case ("assign", op, target, source):
                value = self.value(source)
                if op != "=":
                    before = to_number(self.value(target))
                    value = ARITHMETIC[op[0]](before, to_number(value))
                self.assign(target, value)
                return value
            case ("step", op, target, before):
                old = to_number(self.value(target))
                new = old + (1 if op == "++" else -1)
                self.assign(target, new)
                return new if before else old
            case ("ternary", condition, first, second):
                return self.value(first if self.truth(condition) else second)
            case ("or", left, right):
                return float(self.truth(left) or self.truth(right))
            case ("and", left, right):
                return float(self.truth(left) and self.truth(right))
            case ("match", op, left, right):
                found = self.regex(right).search(to_text(self.value(left)))
                return float(bool(found) == (op == "~"))
            case ("compare", op, left, right):
                return self.compare(op, self.value(left), self.value(right))
            case ("concatenate", left, right):
                return to_text(self.value(left)) + to_text(self.value(right))
            case ("arithmetic", op, left, right):
                return ARITHMETIC[op](to_number(self.value(left)), to_number(self.value(right)))
            case ("unary", "!", inner):
                return float(not self.truth(inner))
            case ("unary", op, inner):
                return to_number(self.value(inner)) * (-1 if op == "-" else 1)
            case ("getline",):
                return float(self.next_record())
            case ("call", name, arguments):
                return self.call(name, arguments)
        raise ValueError(f"no such expression: {tree[0]}")

    @staticmethod
    def compare(op: str, left: Value, right: Value) -> float:
        """Numbers as numbers, unless one side is a string."""
        if isinstance(left, (float, StrNum)) and isinstance(right, (float, StrNum)):
            return float(COMPARE[op](to_number(left), to_number(right)))
        return float(COMPARE[op](to_text(left), to_text(right)))

    def regex(self, tree: Tree) -> re.Pattern[str]:
        """A regular expression, literal or from a string."""
        pattern = tree[1] if tree[0] == "regex" else to_text(self.value(tree))
        return expression(pattern, extended=True)

    def lookup(self, name: str) -> Value:
        """A variable's value."""
        if self.frames and name in self.frames[-1]:
            value = self.frames[-1][name]
            return value if not isinstance(value, dict) else ""
        return self.variables.get(name, StrNum(""))

    def array(self, name: str) -> dict[str, Value]:
        """An array, made when it is first used."""
        if self.frames and name in self.frames[-1]:
            if not isinstance(self.frames[-1][name], dict):
                self.frames[-1][name] = {}
            return self.frames[-1][name]  # type: ignore[no-any-return]
        return self.arrays.setdefault(name, {})

    def key(self, index: list[Tree]) -> str:
        """The index of an element."""
        return to_text(self.variables["SUBSEP"]).join(to_text(self.value(one)) for one in index)

    def field(self, number: int) -> Value:
        """`$number`."""
        if number == 0:
            return from_input(self.record)
        return from_input(self.fields[number - 1]) if number <= len(self.fields) else StrNum("")

    def assign(self, target: Tree, value: Value) -> None:
        """Set a variable, an element or a field."""
        match target:
            case ("variable", name):
                if self.frames and name in self.frames[-1]:
                    self.frames[-1][name] = value
                    return
                self.variables[name] = value
                if name == "NF":
                    count = int(to_number(value))
                    self.fields = (self.fields + [""] * count)[:count]
                    self.record = to_text(self.variables["OFS"]).join(self.fields)
            case ("element", name, index):
                self.array(name)[self.key(index)] = value
            case ("field", index):
                self.set_field(int(to_number(self.value(index))), to_text(value))

    def set_field(self, number: int, text: str) -> None:
        """Set `$number`; the record is put together anew."""
        if number == 0:
            self.set_record(text)
            return
        self.fields += [""] * (number - len(self.fields))
        self.fields[number - 1] = text
        self.variables["NF"] = float(len(self.fields))
        self.record = to_text(self.variables["OFS"]).join(self.fields)

    def call(self, name: str, arguments: list[Tree]) -> Value:
        """A function of the program, or a builtin."""
        if name in self.program.functions:
            return self.call_own(name, arguments)
        if name not in BUILTINS:
            raise ValueError(f"function {name} not defined")
        if name in {"sub", "gsub"}:
            return self.replace(arguments, everywhere=name == "gsub")
        if name == "split":
            return self.split_into(arguments)
        if name == "length" and arguments and arguments[0][0] == "variable" and (
            arguments[0][1] in self.arrays
        ):  # fmt: skip
            return float(len(self.arrays[arguments[0][1]]))
        if name == "match":
            found = self.regex(arguments[1]).search(to_text(self.value(arguments[0])))
            self.variables["RSTART"] = float(found.start() + 1 if found else 0)
            self.variables["RLENGTH"] = float(len(found.group()) if found else -1)
            return self.variables["RSTART"]
        return self.call_plain(name, [self.value(one) for one in arguments])

    def call_plain(self, name: str, values: list[Value]) -> Value:
        """Builtins that only need their values."""
        first = to_text(values[0]) if values else self.record
        match name:
            case "length":
                return float(len(first))
            case "substr":
                start = round(to_number(values[1])) - 1
                length = round(to_number(values[2])) if len(values) > 2 else len(first)
                end = start + length if len(values) > 2 else len(first)
                return first[max(start, 0) : max(end, 0)]
            case "index":
                return float(first.find(to_text(values[1])) + 1)
            case "sprintf":
                return self.format(first, values[1:])
            case "tolower":
                return first.lower()
            case "toupper":
                return first.upper()
            case "int":
                return float(int(to_number(values[0])))
            case "close" | "system" | "srand" | "rand":
                return 0.0
        functions: dict[str, Callable[..., float]] = {"sin": math.sin, "cos": math.cos, "exp": math.exp, "log": math.log,
                     "sqrt": math.sqrt, "atan2": math.atan2}  # fmt: skip
        return float(functions[name](*(to_number(one) for one in values)))

    def call_own(self, name: str, arguments: list[Tree]) -> Value:
        """A function of the program; arrays are passed by reference."""
        names, body = self.program.functions[name]
        frame: dict[str, Any] = dict.fromkeys(names, "")
        for parameter, argument in zip(names, arguments, strict=False):
            is_array = argument[0] == "variable" and argument[1] in self.arrays
            frame[parameter] = self.arrays[argument[1]] if is_array else self.value(argument)
        self.frames.append(frame)
        try:
            self.statement(body)
        except Leave as leave:
            if leave.kind != "return":
                raise
            return leave.value
        finally:
            self.frames.pop()
        return ""

    def replace(self, arguments: list[Tree], *, everywhere: bool) -> float:
        """`sub` and `gsub`."""
        target = arguments[2] if len(arguments) > 2 else ("field", ("number", 0.0))
        template = to_text(self.value(arguments[1]))

        def inserted(found: re.Match[str]) -> str:
            return re.sub(r"\\\\|\\&|&", lambda one: found.group() if one.group() == "&" else
                          one.group()[1], template)  # fmt: skip

        text, count = self.regex(arguments[0]).subn(
            inserted, to_text(self.value(target)), count=0 if everywhere else 1
        )
        if count:
            self.assign(target, text)
        return float(count)

    def split_into(self, arguments: list[Tree]) -> float:
        """`split`."""
        text = to_text(self.value(arguments[0]))
        if len(arguments) > 2 and arguments[2][0] == "regex":
            parts = self.regex(arguments[2]).split(text) if text else []
        else:
            separator = self.value(arguments[2]) if len(arguments) > 2 else self.variables["FS"]
            parts = self.split(text, to_text(separator))
        array = self.array(arguments[1][1])
        array.clear()
        array.update({str(place): from_input(part) for place, part in enumerate(parts, 1)})
        return float(len(parts))
