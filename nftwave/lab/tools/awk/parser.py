"""A parser for awk programs. Trees are tuples: the first item says what it is."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from nftwave.lab.tools.awk.lexer import AwkSyntaxError, Token, tokens

Tree = tuple[Any, ...]
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "^="})
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


class Parser:
    """Recursive descent."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens = found
        self.place = 0
        self.no_greater = False  # in print, where > redirects

    @property
    def next(self) -> Token:
        """The token that is here."""
        return self.tokens[self.place]

    def accept(self, *texts: str) -> str | None:
        """Take an operator or keyword if it is here."""
        token = self.next
        if token.kind in {"op", "keyword"} and token.text in texts:
            self.place += 1
            return token.text
        return None

    def expect(self, text: str) -> None:
        """Take an operator or keyword."""
        if not self.accept(text):
            raise AwkSyntaxError(f"syntax error at or near {self.next.text!r}")

    def newlines(self) -> None:
        """Skip line ends."""
        while self.next.kind == "newline":
            self.place += 1

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
        for keyword, parse_it in (("if", self.conditional), ("while", self.while_loop),
                                  ("do", self.do_loop), ("for", self.for_loop)):  # fmt: skip
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
            ended = self.next.kind in {"newline", "end"} or self.next.text in {";", "}", ">", ">>",
                                                                               "|"}  # fmt: skip
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

    def expressions(self, end: str) -> list[Tree]:
        """Expressions with commas, up to and with the end."""
        found: list[Tree] = []
        while not self.accept(end):
            found.append(self.expression())
            self.newlines()
            if not self.accept(","):
                self.expect(end)
                break
            self.newlines()
        return found

    def expression(self) -> Tree:
        """With assignment, which is right-associative."""
        left = self.ternary()
        op = self.next.text if self.next.kind == "op" else ""
        if op in ASSIGNMENTS and left[0] in {"variable", "element", "field"}:
            self.place += 1
            self.newlines()
            return ("assign", op, left, self.expression())
        return left

    def ternary(self) -> Tree:
        """`a ? b : c`."""
        condition = self.either()
        if not self.accept("?"):
            return condition
        self.newlines()
        first = self.expression()
        self.newlines()
        self.expect(":")
        self.newlines()
        return ("ternary", condition, first, self.expression())

    def either(self) -> Tree:
        """`||`."""
        left = self.both()
        while self.accept("||"):
            self.newlines()
            left = ("or", left, self.both())
        return left

    def both(self) -> Tree:
        """`&&`."""
        left = self.membership()
        while self.accept("&&"):
            self.newlines()
            left = ("and", left, self.membership())
        return left

    def membership(self) -> Tree:
        """`key in array`."""
        left = self.matching()
        while self.accept("in"):
            left = ("in", [left] if left[0] != "group" else left[1], self.next.text)
            self.place += 1
        return left

    def matching(self) -> Tree:
        """`~` and `!~`."""
        left = self.comparison()
        while op := self.accept("~", "!~"):
            left = ("match", op, left, self.comparison())
        return left

    def comparison(self) -> Tree:
        """Comparisons, which do not associate."""
        left = self.concatenation()
        op = self.next.text if self.next.kind == "op" else ""
        if op in COMPARISONS and not (op == ">" and self.no_greater):
            self.place += 1
            return ("compare", op, left, self.concatenation())
        return left

    def concatenation(self) -> Tree:
        """Side by side."""
        left = self.sum()
        while self._begins_operand():
            left = ("concatenate", left, self.sum())
        return left

    def _begins_operand(self) -> bool:
        token = self.next
        if token.kind in {"number", "string", "name", "call", "regex"}:
            return True
        return token.kind == "op" and token.text in {"$", "!", "(", "-", "+", "++", "--"}

    def sum(self) -> Tree:
        """`+` and `-`."""
        left = self.product()
        while op := self.accept("+", "-"):
            left = ("arithmetic", op, left, self.product())
        return left

    def product(self) -> Tree:
        """`*`, `/` and `%`."""
        left = self.unary()
        while op := self.accept("*", "/", "%"):
            left = ("arithmetic", op, left, self.unary())
        return left

    def unary(self) -> Tree:
        """`!`, `-` and `+`."""
        if op := self.accept("!", "-", "+"):
            return ("unary", op, self.unary())
        return self.power()

    def power(self) -> Tree:
        """`^`."""
        left = self.postfix()
        if self.accept("^"):
            return ("arithmetic", "^", left, self.unary())
        return left

    def postfix(self) -> Tree:
        """`x++` and `x--`."""
        left = self.primary()
        if left[0] in {"variable", "element", "field"} and (op := self.accept("++", "--")):
            return ("step", op, left, "after")
        return left

    def primary(self) -> Tree:
        """One operand."""
        token = self.next
        self.place += 1
        if token.kind in {"string", "regex"}:
            return (token.kind, token.text)
        if token.kind == "number":
            hexadecimal = token.text[:2].lower() == "0x"
            return ("number", float(int(token.text, 16) if hexadecimal else token.text))
        if token.kind in {"name", "call"}:
            return self.named(token)
        if token.text == "getline":
            return ("getline",)
        return self.operated(token)

    def named(self, token: Token) -> Tree:
        """A variable, an element or a call."""
        if token.kind == "call":
            self.expect("(")
            return ("call", token.text, self.expressions(")"))
        if token.text == "length":
            return ("call", "length", [])
        if self.accept("["):
            return ("element", token.text, self.expressions("]"))
        return ("variable", token.text)

    def operated(self, token: Token) -> Tree:
        """An operand that begins with an operator."""
        match token.text:
            case "$":
                op = self.accept("++", "--")
                field = ("field", self.primary())
                return ("step", op, field, "before") if op else field
            case "++" | "--":
                return ("step", token.text, self.primary(), "before")
            case "-" | "+" | "!":
                return ("unary", token.text, self.primary())
            case "(":
                return ("group", self.expressions(")"))
        raise AwkSyntaxError(f"syntax error at or near {token.text!r}")
