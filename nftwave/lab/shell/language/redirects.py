"""Redirections and here-documents as they stand in a script (XCU 2.7)."""

from __future__ import annotations

import re

from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.language.words import WordReader

REDIRECTION = re.compile(r"([0-9]*)(<<-|<<|<&|<>|<|>>|>&|>\||>)")


class RedirectionReader(WordReader):
    """Reads redirections."""

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

    def redirections(self) -> tuple[syntax.Redirection, ...]:
        """The redirections after a compound command."""
        found = []
        while redirection := self.redirection():
            found.append(redirection)
        return tuple(found)
