"""A fleet file as text: where each value stands, and the errors that point there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave import yamlnodes
from nftwave.errors import BadInput
from nftwave.fleet.fields import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from nftwave.yamlnodes import Place


class BadFleet(BadInput):
    """All mistakes of one fleet file, in file order; `mistakes` has at least one."""

    def __init__(self, mistakes: tuple[BadInput, ...]) -> None:
        first = mistakes[0]
        super().__init__(first.what, file=first.file, line=first.line, field=first.field)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(str(mistake) for mistake in self.mistakes)

    def lines(self) -> list[str]:
        """One line a mistake."""
        return [str(mistake) for mistake in self.mistakes]


@dataclass(frozen=True, slots=True)
class Source:
    """A file and the line of each of its values; empty for what was not read from a file."""

    file: str | None = None
    places: Mapping[Place, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> tuple[Source, Any]:
        """Read a YAML file: where its values stand, and the plain value.

        Raises:
            BadFleet: the file cannot be read, is not UTF-8 or not YAML.
        """
        file = str(path)
        try:
            raw = path.read_bytes()
        except OSError as error:
            why = f"cannot be read: {error.strerror or error}"
            raise BadFleet((BadInput(why, file=file),)) from error
        try:
            document = yamlnodes.read(raw.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            what = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the file as UTF-8"
            raise BadFleet((BadInput(what, file=file, line=line),)) from error
        except yamlnodes.Malformed as error:
            raise BadFleet((BadInput(error.reason, file=file, line=error.line),)) from error
        return cls(file, document.lines), document.value

    def mistake(self, place: Place, what: str) -> BadInput:
        """The one line about a place; a place that is not there gets the line it would be in."""
        line = self.places.get(self._known(place))
        return BadInput(what, file=self.file, line=line, field=written(place) or None)

    def in_file_order(self, told: Iterable[tuple[Place, str]]) -> tuple[BadInput, ...]:
        """The lines about places, from the top of the file down."""
        ranks = {place: rank for rank, place in enumerate(self.places)}
        ordered = sorted(told, key=lambda one: ranks[self._known(one[0])])
        return tuple(self.mistake(place, what) for place, what in ordered)

    def _known(self, place: Place) -> Place:
        while place and place not in self.places:
            place = place[:-1]
        return place
