"""A parser for awk programs: rules, functions, statements."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from nftwave.lab.tools.awk.expressions import ExpressionParser, Tree
from nftwave.lab.tools.awk.lexer import Token, tokens

SIMPLE = frozenset({"break", "continue", "next"})


@dataclass
class Program:
    """Rules in order, and functions."""

    begin: list[Tree] = field(default_factory=list)
    end: list[Tree] = field(default_factory=list)
    rules: list[tuple[Tree | None, Tree | None, Tree | None]] = field(default_factory=list)
    functions: dict[str, tuple[list[str], Tree]] = field(default_factory=dict)


@functools.lru_cache(maxsize=128)
def parse(text: str) -> Program:
    """Parse a program. Raises AwkSyntaxError."""
    return Parser(tokens(text)).program()


class Parser(ExpressionParser):
    """Everything above expressions."""

    def separators(self) -> None:
        """Skip line ends and semicolons."""
        while self.next.kind == "newline" or self.next == Token("op", ";"):
            self.place += 1

    def program(self) -> Program:
        """All of it."""
        program = Program()
        self.separators()
        while self.next.kind != "end":
            self.item(program)
            self.separators()
        return program

    def item(self, program: Program) -> None:
        """BEGIN, END, a function or a rule."""
        if self.accept("BEGIN"):
            program.begin.append(self.block())
        elif self.accept("END"):
            program.end.append(self.block())
        elif self.accept("function"):
            name = self.next.text
            self.place += 1
            self.expect("(")
            names = []
            while not self.accept(")"):
                names.append(self.next.text)
                self.place += 1
                self.accept(",")
            self.newlines()
            program.functions[name] = (names, self.block())
        else:
            first = None if self.next.text == "{" else self.expression()
            second = self.expression() if first is not None and self.accept(",") else None
            body = self.block() if self.next == Token("op", "{") else None
            program.rules.append((first, second, body))

    def block(self) -> Tree:
        """`{ … }`."""
        self.newlines()
        self.expect("{")
        self.separators()
        statements = []
        while not self.accept("}"):
            statements.append(self.statement())
            self.separators()
        return ("block", statements)

    def statement(self) -> Tree:
        """One statement."""
        if self.next == Token("op", "{"):
            return self.block()
        if self.accept(";"):
            return ("block", [])
        for keyword, parse_it in (
            ("if", self.conditional),
            ("while", self.while_loop),
            ("do", self.do_loop),
            ("for", self.for_loop),
        ):
            if self.accept(keyword):
                return parse_it()
        return self.simple()

    def condition(self) -> Tree:
        """`(…)` after if and while."""
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return condition

    def conditional(self) -> Tree:
        """`if … else …`."""
        condition, body = self.condition(), self.body()
        mark = self.place
        self.separators()
        if self.accept("else"):
            return ("if", condition, body, self.body())
        self.place = mark
        return ("if", condition, body, None)

    def while_loop(self) -> Tree:
        """`while`."""
        return ("for", None, self.condition(), None, self.body())

    def do_loop(self) -> Tree:
        """`do … while`."""
        body = self.body()
        self.separators()
        self.expect("while")
        return ("do", body, self.condition())

    def body(self) -> Tree:
        """The statement of an if or loop."""
        self.newlines()
        return self.statement()

    def for_loop(self) -> Tree:
        """`for (k in a)` or `for (;;)`."""
        self.expect("(")
        names = self.tokens[self.place : self.place + 4]
        if [one.text for one in names[1:4:2]] == ["in", ")"]:
            self.place += 4
            return ("forin", names[0].text, names[2].text, self.body())
        first = None if self.next.text == ";" else self.simple()
        self.expect(";")
        self.newlines()
        condition = None if self.next.text == ";" else self.expression()
        self.expect(";")
        self.newlines()
        step = None if self.next.text == ")" else self.simple()
        self.expect(")")
        return ("for", first, condition, step, self.body())

    def simple(self) -> Tree:
        """A statement without a body."""
        token = self.next
        if token.kind != "keyword":
            return ("expression", self.expression())
        self.place += 1
        if token.text in SIMPLE:
            return (token.text,)
        if token.text in {"exit", "return"}:
            done = self.next.kind in {"newline", "end"} or self.next.text in {";", "}"}
            return (token.text, None if done else self.expression())
        if token.text == "delete":
            name = self.next.text
            self.place += 1
            index = None
            if self.accept("["):
                index = self.expressions("]")
            return ("delete", name, index)
        if token.text in {"print", "printf"}:
            return self.output(token.text)
        self.place -= 1
        return ("expression", self.expression())

    def output(self, kind: str) -> Tree:
        """`print` and `printf` with their redirection."""
        self.no_greater = True
        arguments: list[Tree] = []
        if self.next.text == "(" and self.next.kind == "op":
            mark = self.place
            self.place += 1
            self.no_greater = False
            arguments = self.expressions(")")
            self.no_greater = True
            ended = self.next.kind in {"newline", "end"} or self.next.text in {
                ";",
                "}",
                ">",
                ">>",
                "|",
            }
            if not ended:
                self.place, arguments = mark, []
        if not arguments and self.next.kind not in {"newline", "end"}:
            while self.next.text not in {";", "}", ">", ">>", "|"} or self.next.kind == "string":
                arguments.append(self.expression())
                if not self.accept(","):
                    break
                self.newlines()
        self.no_greater = False
        redirection = self.accept(">", ">>", "|")
        target = self.concatenation() if redirection else None
        return (kind, arguments, redirection, target)
