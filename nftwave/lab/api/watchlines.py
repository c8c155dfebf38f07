"""The lines of a watch: events of objects as they are, or of rows.

The form of ERROR and BOOKMARK events: recorded, kube-apiserver 1.36.2.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave.lab.api.bookmarks import bookmark
from nftwave.lab.printers.tables import table

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource
    from nftwave.lab.machinery.status import ApiStatus
    from nftwave.lab.store.history import Version


@dataclass(slots=True)
class WatchLines:
    """How one watch writes its events.

    Attributes:
        resource: what is watched.
        as_table: rows and columns, for `kubectl get --watch`, rather than objects.
        include: how much of an object goes with its row.
    """

    resource: Resource
    as_table: bool
    include: str | None
    _columns_told: bool = field(default=False)

    def change(self, kind: str, version: Version) -> bytes:
        """An ADDED, MODIFIED or DELETED event."""
        if not self.as_table:
            return b'{"type":"%b","object":%b}\n' % (kind.encode(), version.json())
        return self._line(kind, self._rows(version.obj))

    def bookmark(self, number: int, *, initial_end: bool = False) -> bytes:
        """A BOOKMARK event."""
        mark = bookmark(self.resource, number, initial_end=initial_end)
        if self.as_table:
            return self._line("BOOKMARK", self._rows(mark, metadata=mark["metadata"]))
        return self._line("BOOKMARK", mark)

    def error(self, error: ApiStatus) -> bytes:
        """An ERROR event, after which a watch ends."""
        return self._line("ERROR", error.as_json())

    def _rows(self, obj: Object, metadata: Object | None = None) -> Object:
        objects = [obj] if metadata is None else []
        rows = table(self.resource, objects, self.include, columns=not self._columns_told)
        self._columns_told = True
        # A client that follows rows reads the resourceVersion from the table.
        number = obj["metadata"]["resourceVersion"]
        return {**rows, "metadata": metadata or {"resourceVersion": number}}

    def _line(self, kind: str, obj: Any) -> bytes:
        event = {"type": kind, "object": obj}
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
