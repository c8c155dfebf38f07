"""awk's expressions, by precedence. Trees are tuples: the first item says what it is."""

from __future__ import annotations

from typing import Any

from nftwave.lab.tools.awk.lexer import AwkSyntaxError, Token

Tree = tuple[Any, ...]
COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!="})
ASSIGNMENTS = frozenset({"=", "+=", "-=", "*=", "/=", "%=", "^="})


class ExpressionParser:
    """Recursive descent over tokens."""

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
