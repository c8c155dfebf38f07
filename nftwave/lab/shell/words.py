"""Words, quoting, expansions and here-documents of the shell language."""

from __future__ import annotations

import abc
import re

from nftwave.lab.shell import syntax

OPERATORS = frozenset("|&;()<>\n")
WORD_ENDS = OPERATORS | {" ", "\t"}
RESERVED = frozenset(
    [
        "!",
        "{",
        "}",
        "if",
        "then",
        "else",
        "elif",
        "fi",
        "while",
        "until",
        "do",
        "done",
        "for",
        "in",
        "case",
        "esac",
    ],
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
SHORT_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
LENGTH = re.compile(rf"#({PARAMETER.pattern})}}")
PARAMETER_OP = re.compile(r":?[-=?+]|%%|##|[%#]")
TOKEN = re.compile(r"&&|\|\||;;|[|&;()<>]|[^\s|&;()<>]+")
REDIRECTION = re.compile(r"([0-9]*)(<<-|<<|<&|<>|<|>>|>&|>\||>)")


class ShellSyntaxError(Exception):
    """The script is not a script; the text is dash's message after `sh: `."""


class WordReader(abc.ABC):
    """The text of a script and a place in it."""

    def __init__(self, text: str, *, line_number: int = 1, double_quotes: bool = True) -> None:
        self.text = text
        self.index = 0
        self.line_number = line_number
        # In a here-document a double quote is a character like any other.
        self.double_quotes = double_quotes
        self.here_documents: list[tuple[str, bool, bool, syntax.HereDocument]] = []

    @abc.abstractmethod
    def sequence(self, *ends: str) -> syntax.Sequence:
        """Commands up to one of the ends."""

    @abc.abstractmethod
    def program(self, text: str) -> syntax.Program:
        """The script in backticks."""

    def at_end(self) -> bool:
        """Whether the script ends here."""
        return self.index >= len(self.text)

    def peek(self, text: str) -> bool:
        """Whether the text stands here."""
        return self.text.startswith(text, self.index)

    def expect(self, text: str) -> None:
        """Take the text."""
        if not self.peek(text):
            raise self.unexpected()
        self.index += len(text)

    def unexpected(self) -> ShellSyntaxError:
        """The error that names what stands here, as dash words it."""
        if self.at_end():
            what = "end of file"
        elif self.peek("\n"):
            what = "newline"
        else:
            found = TOKEN.match(self.text, self.index)
            token = found.group() if found else ""
            what = f'"{token}"' if token in RESERVED or token[:1] in OPERATORS else "word"
        return ShellSyntaxError(f"{self.line_number}: Syntax error: {what} unexpected")

    def blanks(self) -> None:
        """Skip blanks, comments and continued lines."""
        while not self.at_end():
            if self.text[self.index] in " \t":
                self.index += 1
            elif self.peek("\\\n"):
                self.index += 2
                self.line_number += 1
            elif self.peek("#"):
                end = self.text.find("\n", self.index)
                self.index = len(self.text) if end < 0 else end
            else:
                return

    def newlines(self) -> None:
        """Skip blanks and line ends, reading the here-documents that wait for one."""
        self.blanks()
        while self.peek("\n"):
            self.index += 1
            self.line_number += 1
            self.read_here_documents()
            self.blanks()

    def reserved_here(self) -> str | None:
        """The reserved word that stands here."""
        self.blanks()
        end = self.index
        while end < len(self.text) and self.text[end] not in WORD_ENDS:
            end += 1
        word = self.text[self.index : end]
        return word if word in RESERVED else None

    def take_reserved(self, word: str) -> None:
        """Take a reserved word."""
        if self.reserved_here() != word:
            raise self.unexpected()
        self.index += len(word)

    def name_here(self) -> str:
        """The name that stands here, or nothing."""
        found = NAME.match(self.text, self.index)
        return found.group() if found else ""

    def assignment_here(self) -> str:
        """The name before an equals sign, or nothing."""
        name = self.name_here()
        return name if name and self.text[self.index + len(name) :].startswith("=") else ""

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

    def redirection(self) -> syntax.Redirection | None:
        """The redirection that stands here."""
        self.blanks()
        found = REDIRECTION.match(self.text, self.index)
        if not found:
            return None
        self.index = found.end()
        self.blanks()
        number, op = found.groups()
        fd = int(number) if number else (0 if op[0] == "<" else 1)
        if op not in {"<<", "<<-"}:
            return syntax.Redirection(fd, op, self.word())
        delimiter = self.word()
        end = "".join(part.text for part in delimiter.parts if isinstance(part, syntax.Text))
        literal = any(isinstance(part, syntax.Text) and part.quoted for part in delimiter.parts)
        body = syntax.HereDocument(syntax.Word(()))
        self.here_documents.append((end, op == "<<-", literal, body))
        return syntax.Redirection(fd, "<<", body)

    def read_here_documents(self) -> None:
        """Read the bodies that follow the line just ended."""
        waiting, self.here_documents = self.here_documents, []
        for end, strip_tabs, literal, document in waiting:
            first_line = self.line_number
            body = self.here_lines(end, strip_tabs=strip_tabs)
            if literal:
                document.word = syntax.Word((syntax.Text(body, quoted=True),))
            else:
                inner = type(self)(body, line_number=first_line, double_quotes=False)
                document.word = syntax.Word(tuple(inner.parts(frozenset(), quoted=True)))

    def here_lines(self, end: str, *, strip_tabs: bool) -> str:
        """The lines up to the one that ends the here-document."""
        lines: list[str] = []
        while not self.at_end():
            stop = self.text.find("\n", self.index)
            stop = len(self.text) if stop < 0 else stop
            line = self.text[self.index : stop]
            self.index = min(stop + 1, len(self.text))
            self.line_number += 1
            line = line.lstrip("\t") if strip_tabs else line
            if line == end:
                break
            lines.append(line + "\n")
        return "".join(lines)
