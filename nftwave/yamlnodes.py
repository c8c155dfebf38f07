"""YAML as a graph of nodes, each with its place in the text.

Both files that people write by hand, the fleet file and kube-proxy's configuration, are read
through this: a mistake is told with its line, an edit is made where the node stands. Tags are
refused, not run, so nothing in a file can make Python build anything but plain values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Place = tuple[str | int, ...]
"""The way to a value from the top: keys of mappings and indexes of lists."""

_TAG = "tag:yaml.org,2002:"
# What looks like a date or is a lone `=` is text to Kubernetes and to us.
_TEXT = {_TAG + kind for kind in ("str", "timestamp", "value")}


LIMIT = 200_000
"""Most values in a text: a few lines of aliases can stand for billions."""


class Malformed(Exception):
    """The text cannot be read: `reason` in words, `line` counted from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its plain value, where each value stands, and its nodes."""

    value: Any
    lines: dict[Place, int]
    """Line of each value, from 1; of a mapping's value it is the line of its key."""
    root: Node | None


def read(text: str, *, version: tuple[int, int] = (1, 2)) -> Document:
    """Read one document; `version` (1, 1) reads `yes` and `0777` as kube-proxy does.

    Raises:
        Malformed: not YAML, more than one document, a duplicate key, a key that is not a string,
            a tag, a merge key, or a value that holds itself.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version
    lines: dict[Place, int] = {(): 1}
    try:
        root = yaml.compose(text)
        value = None if root is None else _Reader(yaml, lines).value(root, (), ())
    except ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise Malformed(
            f"character {text[int(error.position)]!r} is not allowed in YAML", line
        ) from error
    except MarkedYAMLError as error:
        raise Malformed(*_syntax(error)) from error
    except YAMLError as error:
        raise Malformed(f"not YAML: {error}", 1) from error
    except RecursionError as error:
        raise Malformed("nested too deeply", 1) from error
    return Document(value, lines, root)


def line_of(node: Node) -> int:
    """The line on which a node starts, from 1."""
    return int(node.start_mark.line) + 1


def entries(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    """Keys and values of a mapping node, in order; nothing for any other node."""
    if isinstance(node, MappingNode):
        yield from node.value


class _Reader:
    def __init__(self, yaml: YAML, lines: dict[Place, int]) -> None:
        self._lines = lines
        self._left = LIMIT
        constructor = yaml.constructor
        self._scalars: dict[str, Callable[[ScalarNode], Any]] = {
            _TAG + "int": constructor.construct_yaml_int,
            _TAG + "float": constructor.construct_yaml_float,
            _TAG + "bool": constructor.construct_yaml_bool,
            _TAG + "null": constructor.construct_yaml_null,
        }

    def value(self, node: Node, place: Place, above: tuple[Node, ...]) -> Any:
        self._left -= 1
        if self._left < 0:
            raise Malformed(f"more than {LIMIT} values, aliases counted", line_of(node))
        if any(node is other for other in above):
            raise Malformed("an alias stands inside the value that it names", line_of(node))
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, place, (*above, node))
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return self._sequence(node, place, (*above, node))
        raise Malformed(f"tag {node.tag} is not read; write plain values", line_of(node))

    def _scalar(self, node: ScalarNode) -> Any:
        if node.tag in _TEXT:
            return node.value
        if node.tag == _TAG + "merge":
            raise Malformed("`<<` is not read as a value; quote it", line_of(node))
        construct = self._scalars.get(str(node.tag))
        if construct is None:
            raise Malformed(f"tag {node.tag} is not read; write plain values", line_of(node))
        try:
            return construct(node)
        except (ValueError, OverflowError, KeyError) as error:
            raise Malformed(f"{node.value[:40]!r} is not a number", line_of(node)) from error

    def _mapping(self, node: MappingNode, place: Place, above: tuple[Node, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key, child in node.value:
            line = line_of(key)
            if key.tag == _TAG + "merge":
                raise Malformed("merge key `<<` is not read; write the fields out", line)
            if not isinstance(key, ScalarNode) or key.tag not in _TEXT:
                raise Malformed("a key is not a string; put it in quotes", line)
            if key.value in found:
                text = f"key {key.value!r} is there twice, first in line {first[key.value]}"
                raise Malformed(text, line)
            first[key.value] = line
            self._lines[*place, key.value] = line
            found[key.value] = self.value(child, (*place, key.value), above)
        return found

    def _sequence(self, node: SequenceNode, place: Place, above: tuple[Node, ...]) -> list[Any]:
        found = []
        for index, child in enumerate(node.value):
            self._lines[*place, index] = line_of(child)
            found.append(self.value(child, (*place, index), above))
        return found


def _syntax(error: MarkedYAMLError) -> tuple[str, int]:
    """Reason and line of a syntax error, in one line of words."""
    mark = error.problem_mark or error.context_mark
    line = 1 if mark is None else int(mark.line) + 1
    problem = str(error.problem or error.context or "unreadable")
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces", line
    if "another document" in problem:
        return "a second document starts here; one is allowed", line
    return f"not YAML: {problem}", line
