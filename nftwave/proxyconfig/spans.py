"""Edits of a YAML text in place: every byte that need not change stays.

Nodes say where values stand; nothing is dumped again. A new value is written over the old one, a
block is cut out by whole lines, a new line gets the indentation and line ending of its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NoReturn

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from nftwave.proxyconfig.config import document
from nftwave.proxyconfig.errors import NotEditable
from nftwave.yamlnodes import entries, line_of

BLANK: Final = -1
"""Depth of a line with nothing in it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping with its value.

    `end` is where the next entry begins or the mapping ends: comments before it may be of either.
    """

    key: ScalarNode
    value: Node
    end: int


class Text:
    """A text and the replacements to be made in it; offsets are characters from its start.

    Raises:
        Unreadable: not one YAML mapping.
        NotEditable: the mapping is in flow style.
    """

    def __init__(self, text: str) -> None:
        self.ending = "\r\n" if "\r\n" in text else "\n"
        # Every line ends while the text is edited; what was added here goes again in `done`.
        self._added = "" if text.endswith("\n") else self.ending
        self.text = text + self._added
        root = document(self.text).root
        if not isinstance(root, MappingNode) or root.flow_style:
            raise NotEditable("the whole text is in flow style ({…})", line=1)
        self.root = root
        self._edits: dict[tuple[int, int], str] = {}

    def entry(self, name: str, *, within: MappingNode | None = None) -> Entry | None:
        """The entry of that name in the top level, or in a mapping."""
        mapping = within or self.root
        listed = list(entries(mapping))
        for index, (key, value) in enumerate(listed):
            if key.value == name:
                last = index + 1 == len(listed)
                end = mapping.end_mark if last else listed[index + 1][0].start_mark
                return Entry(key, value, int(end.index))
        return None

    def require_plain(self, node: Node) -> None:
        """Refuse what an anchor or alias ties to another place of the text."""
        if node.anchor is not None:
            self._refuse(node, f"anchor or alias {node.anchor!r} stands in what has to be edited")
        if isinstance(node, MappingNode):
            for key, value in node.value:
                self.require_plain(key)
                self.require_plain(value)
        elif isinstance(node, SequenceNode):
            for value in node.value:
                self.require_plain(value)

    def set_value(self, entry: Entry, new: str) -> None:
        """Write a value over a scalar or an empty list, in the old one's quotes."""
        node = entry.value
        self.require_plain(node)
        start, end = int(node.start_mark.index), int(node.end_mark.index)
        if isinstance(node, ScalarNode):
            if node.style in ("|", ">"):
                self._refuse(node, "a block scalar is not edited; write the value in one line")
            if start == end:
                colon = self.text.find(":", int(entry.key.end_mark.index)) + 1
                self._put(colon, colon, f" {new}")
                return
            quote = node.style or ""
            new = f"{quote}{new}{quote}"
        elif self.text[start:end].strip("[]").strip():
            self._refuse(node, "a comment stands inside this list; write it in one line")
        self._put(start, end, new)

    def cut(self, entry: Entry) -> str:
        """Take out an entry by whole lines, with the comments inside it; returns what was there."""
        self.require_plain(entry.value)
        start, end = self._line_start(entry), self.block_end(entry)
        self._put(start, end, "")
        return self.text[start:end]

    def block_end(self, entry: Entry) -> int:
        """Start of the line after an entry and its own comments, which are indented deeper.

        The first comment that is no deeper than the key belongs to what follows, with all that
        comes after it.
        """
        start = self._line_start(entry)
        lines = self.text[start : entry.end].splitlines(keepends=True)
        depths = [_comment_depth(line) for line in lines]
        last = max(index for index, depth in enumerate(depths) if depth is None)
        for index in range(last + 1, len(lines)):
            depth = depths[index]
            if depth is not None and 0 <= depth <= int(entry.key.start_mark.column):
                break
            last = last if depth == BLANK else index
        return start + sum(map(len, lines[: last + 1]))

    def add_fields(self, entry: Entry, fields: dict[str, str]) -> None:
        """Add fields to the mapping of an entry, in its own style; the value may be null."""
        node = entry.value
        flow = ", ".join(f"{name}: {new}" for name, new in fields.items())
        if not isinstance(node, MappingNode):
            self.set_value(entry, f"{{{flow}}}")
        elif node.flow_style:
            brace = int(node.start_mark.index) + 1
            self._put(brace, brace, f"{flow}, " if node.value else flow)
        else:
            last = self.entry(str(node.value[-1][0].value), within=node)
            for name, new in fields.items():
                self.add_line_after(last, f"{name}: {new}")

    def add_line_after(self, entry: Entry | None, line: str) -> None:
        """Add a line after an entry, as deep as its key; without one, after the last of all."""
        neighbour = entry or self.entry(str(self.root.value[-1][0].value))
        assert neighbour is not None  # noqa: S101 - a mapping with no entry has no kind either
        place = self.block_end(neighbour)
        indent = " " * int(neighbour.key.start_mark.column)
        self._put(place, place, f"{indent}{line}{self.ending}")

    def done(self) -> str:
        """The text with all replacements made; it ends in a line ending if it did before."""
        text = self.text
        for (start, end), new in sorted(self._edits.items(), reverse=True):
            text = text[:start] + new + text[end:]
        return text.rstrip("\r\n") if self._added else text

    def _put(self, start: int, end: int, new: str) -> None:
        self._edits[start, end] = self._edits.get((start, end), "") + new

    def _line_start(self, entry: Entry) -> int:
        at = int(entry.key.start_mark.index)
        start = self.text.rfind("\n", 0, at) + 1
        if self.text[start:at].strip(" "):
            self._refuse(entry.key, "this key does not begin its line")
        return start

    def _refuse(self, node: Node, reason: str) -> NoReturn:
        raise NotEditable(reason, line=line_of(node))


def _comment_depth(line: str) -> int | None:
    """Column of the comment of a line that holds nothing else, BLANK for none, None for content."""
    bare = line.strip()
    if not bare:
        return BLANK
    return len(line) - len(line.lstrip()) if bare.startswith("#") else None
