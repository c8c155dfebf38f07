"""Words: quoting and expansions (XCU 2.2, 2.6)."""

from __future__ import annotations

import re

from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.language.reader import WORD_ENDS, ScriptReader, ShellSyntaxError

PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
SHORT_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
LENGTH = re.compile(rf"#({PARAMETER.pattern})}}")
PARAMETER_OP = re.compile(r":?[-=?+]|%%|##|[%#]")


class WordReader(ScriptReader):
    """Reads words."""

    def word(self, *, assignment: bool = False) -> syntax.Word:
        """One word; the value of an assignment may be empty."""
        parts = self.parts(WORD_ENDS)
        if not parts and not assignment:
            raise self.unexpected()
        return syntax.Word(tuple(parts))

    def parts(self, ends: frozenset[str], *, quoted: bool = False) -> list[syntax.Part]:
        """Parts up to an unquoted character of `ends`, which is not taken."""
        found: list[syntax.Part] = []
        while not self.at_end() and self.text[self.index] not in ends:
            character = self.text[self.index]
            if character == "\\":
                self.escape(found, quoted=quoted)
            elif character == "'" and not quoted:
                end = self.text.find("'", self.index + 1)
                if end < 0:
                    raise ShellSyntaxError(
                        f"{self.line_number}: Syntax error: Unterminated quoted string"
                    )
                self.line_number += self.text.count("\n", self.index, end)
                found.append(syntax.Text(self.text[self.index + 1 : end], quoted=True))
                self.index = end + 1
            elif character == '"' and self.double_quotes:
                self.double_quoted(found)
            elif character == "$":
                self.dollar(found, quoted=quoted)
            elif character == "`":
                self.backticks(found, quoted=quoted)
            else:
                self.plain(found, ends, quoted=quoted)
        return found

    def plain(self, found: list[syntax.Part], ends: frozenset[str], *, quoted: bool) -> None:
        """Text without anything special."""
        start = self.index
        while not self.at_end() and self.text[self.index] not in ends:
            if self.text[self.index] in '\\"$`' or (self.text[self.index] == "'" and not quoted):
                break
            self.line_number += self.text[self.index] == "\n"
            self.index += 1
        found.append(syntax.Text(self.text[start : self.index], quoted))

    def escape(self, found: list[syntax.Part], *, quoted: bool) -> None:
        """A backslash and what follows."""
        following = self.text[self.index + 1 : self.index + 2]
        self.index += 1 + len(following)
        if following == "\n":
            self.line_number += 1
        elif quoted and following not in set('$`"\\'):
            found.append(syntax.Text("\\" + following, quoted=True))
        else:
            found.append(syntax.Text(following or "\\", quoted=True))

    def double_quoted(self, found: list[syntax.Part]) -> None:
        """`"…"`."""
        self.index += 1
        inner = self.parts(frozenset('"'), quoted=True)
        if self.at_end():
            raise ShellSyntaxError(f"{self.line_number}: Syntax error: Unterminated quoted string")
        self.index += 1
        found.extend(inner or [syntax.Text("", quoted=True)])

    def backticks(self, found: list[syntax.Part], *, quoted: bool) -> None:
        """Command substitution in the old form."""
        end = self.index + 1
        while end < len(self.text) and self.text[end] != "`":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise ShellSyntaxError(
                f"{self.line_number}: Syntax error: EOF in backquote substitution"
            )
        escaped = r'\\([$`\\"])' if quoted else r"\\([$`\\])"
        script = re.sub(escaped, r"\1", self.text[self.index + 1 : end])
        self.index = end + 1
        found.append(syntax.Substitution(self.program(script), quoted))

    def dollar(self, found: list[syntax.Part], *, quoted: bool) -> None:
        """What a dollar sign begins."""
        if self.peek("$((") and self.arithmetic(found, quoted=quoted):
            return
        if self.peek("$("):
            self.index += 2
            self.newlines()
            empty = self.peek(")")
            body = syntax.Sequence(()) if empty else self.sequence(")")
            self.expect(")")
            found.append(syntax.Substitution(syntax.Program(body, None), quoted))
        elif self.peek("${"):
            found.append(self.braced(quoted=quoted))
        elif name := SHORT_PARAMETER.match(self.text, self.index + 1):
            self.index = name.end()
            found.append(syntax.Parameter(name.group(), "", None, quoted))
        else:
            self.index += 1
            found.append(syntax.Text("$", quoted))

    def arithmetic(self, found: list[syntax.Part], *, quoted: bool) -> bool:
        """`$((…))`; False if it is a subshell in a substitution after all."""
        depth, end = 0, self.index + 3
        while end < len(self.text) and not (depth == 0 and self.text.startswith("))", end)):
            depth += {"(": 1, ")": -1}.get(self.text[end], 0)
            if depth < 0:
                return False
            end += 1
        if end >= len(self.text):
            return False
        inner = type(self)(self.text[self.index + 3 : end])
        expression = syntax.Word(tuple(inner.parts(frozenset(), quoted=True)))
        self.index = end + 2
        found.append(syntax.Arithmetic(expression, quoted))
        return True

    def braced(self, *, quoted: bool) -> syntax.Parameter:
        """`${…}`."""
        self.index += 2
        if length := LENGTH.match(self.text, self.index):
            self.index = length.end()
            return syntax.Parameter(length.group(1), "len", None, quoted)
        name = PARAMETER.match(self.text, self.index)
        if not name:
            raise ShellSyntaxError(f"{self.line_number}: Syntax error: Bad substitution")
        self.index = name.end()
        op = PARAMETER_OP.match(self.text, self.index)
        word = None
        if op:
            self.index = op.end()
            trims = op.group()[0] in "%#"
            word = syntax.Word(tuple(self.parts(frozenset("}"), quoted=quoted and not trims)))
        if not self.peek("}"):
            raise ShellSyntaxError(f"{self.line_number}: Syntax error: Bad substitution")
        self.index += 1
        return syntax.Parameter(name.group(), op.group() if op else "", word, quoted)
