"""Running awk programs over text that is known; output is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.tools.awk.evaluate import Evaluator
from nftwave.lab.tools.awk.values import Value, from_input, printf, to_text

if TYPE_CHECKING:
    from nftwave.lab.tools.awk.expressions import Tree
    from nftwave.lab.tools.awk.parser import Program

STANDARD_ERROR = frozenset({"/dev/stderr", "cat 1>&2", "cat >&2"})


class Leave(Exception):
    """break, continue, next, exit, return; with a value."""

    def __init__(self, kind: str, value: Value = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.value = value


class Awk(Evaluator):
    """One run of a program."""

    def __init__(self, program: Program, variables: dict[str, str], text: str) -> None:
        super().__init__(variables, text)
        self.program = program
        self.output: list[str] = []
        self.errors: list[str] = []
        self.status = 0
        self._active: set[int] = set()

    def run(self) -> int:
        """Run to the exit status."""
        try:
            for body in self.program.begin:
                self.statement(body)
            if self.program.rules or self.program.end:
                while self.next_record():
                    self.rules()
            for body in self.program.end:
                self.statement(body)
        except Leave as leave:
            if leave.kind != "exit":
                raise
        return self.status

    def rules(self) -> None:
        """Apply the rules to the record."""
        try:
            for place, (first, second, body) in enumerate(self.program.rules):
                if self.selected(place, first, second):
                    if body is None:
                        self.output.append(self.record + self.setting("ORS"))
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
        if place not in self._active and not self.truth(first):
            return False
        self._active.add(place)
        if self.truth(second):
            self._active.discard(place)
        return True

    def statement(self, tree: Tree) -> None:
        """Run one statement."""
        getattr(self, f"_do_{tree[0]}")(*tree[1:])

    def _do_block(self, statements: list[Tree]) -> None:
        for one in statements:
            self.statement(one)

    def _do_expression(self, inner: Tree) -> None:
        self.value(inner)

    def _do_if(self, condition: Tree, body: Tree, other: Tree | None) -> None:
        if self.truth(condition):
            self.statement(body)
        elif other:
            self.statement(other)

    def _do_for(
        self, first: Tree | None, condition: Tree | None, step: Tree | None, body: Tree
    ) -> None:
        if first:
            self.statement(first)
        while condition is None or self.truth(condition):
            if not self._round(body):
                return
            if step:
                self.statement(step)

    def _do_do(self, body: Tree, condition: Tree) -> None:
        while self._round(body) and self.truth(condition):
            pass

    def _do_forin(self, name: str, array: str, body: Tree) -> None:
        for key in list(self.array(array)):
            self.set_variable(name, from_input(key))
            if not self._round(body):
                return

    def _round(self, body: Tree) -> bool:
        """One round of a loop; False after a break."""
        try:
            self.statement(body)
        except Leave as leave:
            if leave.kind == "break":
                return False
            if leave.kind != "continue":
                raise
        return True

    def _do_print(self, arguments: list[Tree], redirection: str | None, target: Tree) -> None:
        form = self.setting("OFMT")
        shown = [to_text(self.value(one), form) for one in arguments] or [self.record]
        text = self.setting("OFS").join(shown) + self.setting("ORS")
        self._write(text, self.text(target) if redirection else "")

    def _do_printf(self, arguments: list[Tree], redirection: str | None, target: Tree) -> None:
        text = printf(self.text(arguments[0]), [self.value(one) for one in arguments[1:]])
        self._write(text, self.text(target) if redirection else "")

    def _write(self, text: str, target: str) -> None:
        (self.errors if target in STANDARD_ERROR else self.output).append(text)

    def _do_delete(self, name: str, index: list[Tree] | None) -> None:
        if index is None:
            self.array(name).clear()
        else:
            self.array(name).pop(self.key(index), None)

    def _do_exit(self, value: Tree | None) -> None:
        if value:
            self.status = int(self.number(value))
        raise Leave("exit")

    def _do_return(self, value: Tree | None) -> None:
        raise Leave("return", self.value(value) if value else "")

    def _do_next(self) -> None:
        raise Leave("next")

    def _do_break(self) -> None:
        raise Leave("break")

    def _do_continue(self) -> None:
        raise Leave("continue")

    def call_function(self, name: str, arguments: list[Tree]) -> Value:
        """A function of the program; arrays are passed by reference."""
        if name not in self.program.functions:
            return super().call_function(name, arguments)
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
