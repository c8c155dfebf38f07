"""awk's expressions. A tree's first item names the method that evaluates it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from nftwave.lab.tools.awk.state import State, split
from nftwave.lab.tools.awk.values import (
    ARITHMETIC,
    Value,
    compare,
    from_input,
    is_true,
    printf,
    to_number,
    to_text,
)
from nftwave.lab.tools.patterns import expression

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.tools.awk.expressions import Tree

RECORD: Tree = ("field", ("number", 0.0))
FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin,
    "cos": math.cos,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "atan2": math.atan2,
    "int": math.trunc,
}
WITHOUT_EFFECT = frozenset({"close", "system", "srand", "rand"})


class Evaluator(State):
    """Evaluates expressions."""

    def value(self, tree: Tree) -> Value:
        """Evaluate an expression."""
        found: Value = getattr(self, f"_{tree[0]}")(*tree[1:])
        return found

    def text(self, tree: Tree) -> str:
        """Evaluate to a string."""
        return to_text(self.value(tree))

    def number(self, tree: Tree) -> float:
        """Evaluate to a number."""
        return to_number(self.value(tree))

    def truth(self, tree: Tree) -> bool:
        """Evaluate to true or false."""
        return is_true(self.value(tree))

    def key(self, index: list[Tree]) -> str:
        """The index of an element."""
        return self.setting("SUBSEP").join(self.text(one) for one in index)

    def call_function(self, name: str, arguments: list[Tree]) -> Value:
        """A function of the program. Raises ValueError if there is none."""
        raise ValueError(f"function {name} not defined with {len(arguments)} arguments")

    def assign(self, target: Tree, value: Value) -> None:
        """Set a variable, an element or a field."""
        match target:
            case ("variable", name):
                self.set_variable(name, value)
            case ("element", name, index):
                self.array(name)[self.key(index)] = value
            case ("field", index):
                self.set_field(int(self.number(index)), to_text(value))

    def _number(self, value: float) -> Value:
        return value

    def _string(self, value: str) -> Value:
        return value

    def _regex(self, pattern: str) -> Value:
        return float(bool(expression(pattern, extended=True).search(self.record)))

    def _group(self, inner: list[Tree]) -> Value:
        return self.value(inner[0]) if len(inner) == 1 else self.key(inner)

    def _variable(self, name: str) -> Value:
        return self.lookup(name)

    def _field(self, index: Tree) -> Value:
        return self.field(int(self.number(index)))

    def _element(self, name: str, index: list[Tree]) -> Value:
        return self.array(name).setdefault(self.key(index), "")

    def _in(self, index: list[Tree], name: str) -> Value:
        return float(self.key(index) in self.array(name))

    def _assign(self, op: str, target: Tree, source: Tree) -> Value:
        value = self.value(source)
        if op != "=":
            value = ARITHMETIC[op[0]](self.number(target), to_number(value))
        self.assign(target, value)
        return value

    def _step(self, op: str, target: Tree, place: str) -> Value:
        old = self.number(target)
        new = old + (1 if op == "++" else -1)
        self.assign(target, new)
        return new if place == "before" else old

    def _ternary(self, condition: Tree, first: Tree, second: Tree) -> Value:
        return self.value(first if self.truth(condition) else second)

    def _or(self, left: Tree, right: Tree) -> Value:
        return float(self.truth(left) or self.truth(right))

    def _and(self, left: Tree, right: Tree) -> Value:
        return float(self.truth(left) and self.truth(right))

    def _match(self, op: str, left: Tree, right: Tree) -> Value:
        return float(bool(self.regex(right).search(self.text(left))) == (op == "~"))

    def _compare(self, op: str, left: Tree, right: Tree) -> Value:
        return compare(op, self.value(left), self.value(right))

    def _concatenate(self, left: Tree, right: Tree) -> Value:
        return self.text(left) + self.text(right)

    def _arithmetic(self, op: str, left: Tree, right: Tree) -> Value:
        return ARITHMETIC[op](self.number(left), self.number(right))

    def _unary(self, op: str, inner: Tree) -> Value:
        if op == "!":
            return float(not self.truth(inner))
        return self.number(inner) * (-1 if op == "-" else 1)

    def _getline(self) -> Value:
        return float(self.next_record())

    def _call(self, name: str, arguments: list[Tree]) -> Value:
        builtin: Any = getattr(self, f"_{name}_function", None)
        if builtin:
            found: Value = builtin(arguments)
            return found
        if name in FUNCTIONS:
            return float(FUNCTIONS[name](*(self.number(one) for one in arguments)))
        return 0.0 if name in WITHOUT_EFFECT else self.call_function(name, arguments)

    def regex(self, tree: Tree) -> re.Pattern[str]:
        """A regular expression, literal or from a string."""
        pattern = tree[1] if tree[0] == "regex" else self.text(tree)
        return expression(pattern, extended=True)

    def _length_function(self, arguments: list[Tree]) -> Value:
        if not arguments:
            return float(len(self.record))
        if arguments[0][0] == "variable" and arguments[0][1] in self.arrays:
            return float(len(self.arrays[arguments[0][1]]))
        return float(len(self.text(arguments[0])))

    def _substr_function(self, arguments: list[Tree]) -> Value:
        whole = self.text(arguments[0])
        start = round(self.number(arguments[1])) - 1
        end = start + round(self.number(arguments[2])) if len(arguments) > 2 else len(whole)
        return whole[max(start, 0) : max(end, 0)]

    def _index_function(self, arguments: list[Tree]) -> Value:
        return float(self.text(arguments[0]).find(self.text(arguments[1])) + 1)

    def _sprintf_function(self, arguments: list[Tree]) -> Value:
        return printf(self.text(arguments[0]), [self.value(one) for one in arguments[1:]])

    def _tolower_function(self, arguments: list[Tree]) -> Value:
        return self.text(arguments[0]).lower()

    def _toupper_function(self, arguments: list[Tree]) -> Value:
        return self.text(arguments[0]).upper()

    def _match_function(self, arguments: list[Tree]) -> Value:
        found = self.regex(arguments[1]).search(self.text(arguments[0]))
        self.variables["RSTART"] = float(found.start() + 1 if found else 0)
        self.variables["RLENGTH"] = float(len(found.group()) if found else -1)
        return self.variables["RSTART"]

    def _split_function(self, arguments: list[Tree]) -> Value:
        whole = self.text(arguments[0])
        if len(arguments) > 2 and arguments[2][0] == "regex":
            parts = self.regex(arguments[2]).split(whole) if whole else []
        else:
            separator = self.text(arguments[2]) if len(arguments) > 2 else self.setting("FS")
            parts = split(whole, separator)
        array = self.array(arguments[1][1])
        array.clear()
        array.update({str(place): from_input(part) for place, part in enumerate(parts, 1)})
        return float(len(parts))

    def _sub_function(self, arguments: list[Tree]) -> Value:
        return self._replace(arguments, count=1)

    def _gsub_function(self, arguments: list[Tree]) -> Value:
        return self._replace(arguments, count=0)

    def _replace(self, arguments: list[Tree], *, count: int) -> Value:
        target = arguments[2] if len(arguments) > 2 else RECORD
        template = self.text(arguments[1])

        def inserted(found: re.Match[str]) -> str:
            def one(part: re.Match[str]) -> str:
                return found.group() if part.group() == "&" else part.group()[1]

            return re.sub(r"\\\\|\\&|&", one, template)

        text, made = self.regex(arguments[0]).subn(inserted, self.text(target), count=count)
        if made:
            self.assign(target, text)
        return float(made)
