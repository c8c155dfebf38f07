"""Watches: every change of what a request selects, as lines of JSON.

Source of the details: Kubernetes 1.36, apiserver/pkg/storage/cacher and
pkg/endpoints/handlers/watch.go; the ERROR and BOOKMARK events as recorded.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from nftwave.lab import status
from nftwave.lab.bookmarks import bookmark
from nftwave.lab.history import Event, Version
from nftwave.lab.listing import selected
from nftwave.lab.objects import key_of
from nftwave.lab.tables import table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from nftwave.lab.calls import Call
    from nftwave.lab.objects import Object
    from nftwave.lab.resources import Resource
    from nftwave.lab.selectors import Predicate
    from nftwave.lab.store import Store
    from nftwave.lab.subscription import Subscription

# Seconds; the real server ends a watch without timeoutSeconds after 30 to 60 minutes.
_SHORTEST_DEFAULT = 1800
_BOOKMARK_PERIOD = 60.0
_BOOKMARK_BEFORE_END = 2.0
# Changes that may wait for a client that does not read; then its watch ends with 410.
_BACKLOG = 20_000


def open_watch(store: Store, resource: Resource, call: Call) -> AsyncGenerator[bytes]:
    """Begin a watch now; the iterator gives whole lines and ends at `timeoutSeconds`.

    Raises:
        ApiStatus: 400, 406 or 422 for bad parameters. A resourceVersion that is no longer known
            is no refusal but an ERROR event, as the real server has it.
    """
    namespace = call.info.namespace
    test = selected(resource, call)
    wanted: Predicate = test
    if namespace:
        wanted = lambda obj: key_of(obj)[0] == namespace and test(obj)  # noqa: E731
    lines = _Lines(resource, call.wants_table, call.query.get("includeObject"))
    since = call.number("resourceVersion") or 0
    initial = _wants_initial_events(call)
    timeout = call.number("timeoutSeconds")
    subscription = store.subscribe(resource.key, limit=_BACKLOG)
    try:
        first = _first_events(store, resource, since, initial=initial)
    except status.ApiStatus as error:
        subscription.close()
        return _only(lines.error(error))
    watch = _Watch(
        store=store,
        subscription=subscription,
        lines=lines,
        wanted=wanted,
        first=list(first),
        marks_initial_end=call.query.get("sendInitialEvents") == "true",
        bookmarks=call.flag("allowWatchBookmarks"),
        seconds=timeout or random.uniform(_SHORTEST_DEFAULT, 2 * _SHORTEST_DEFAULT),  # noqa: S311
    )
    return watch.run()


def _wants_initial_events(call: Call) -> bool:
    """Whether what is there already comes first, as ADDED."""
    asked = call.query.get("sendInitialEvents")
    if asked is None:
        return call.query.get("resourceVersion", "") in {"", "0"}
    if call.query.get("resourceVersionMatch") != "NotOlderThan":
        raise status.ApiStatus(
            422,
            "Invalid",
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    return asked == "true"


def _first_events(
    store: Store, resource: Resource, since: int, *, initial: bool
) -> Iterable[Event]:
    if initial:
        if since > store.resource_version:
            raise status.too_large(since, store.resource_version)
        return [Event("ADDED", version, None) for version in store.versions(resource.key)]
    return store.events_after(resource.key, since or store.resource_version)


async def _only(line: bytes) -> AsyncGenerator[bytes]:
    yield line


@dataclass(slots=True)
class _Watch:
    store: Store
    subscription: Subscription
    lines: _Lines
    wanted: Predicate
    first: list[Event]
    marks_initial_end: bool
    bookmarks: bool
    seconds: float

    async def run(self) -> AsyncGenerator[bytes]:
        end = monotonic() + self.seconds
        try:
            if opening := self._opening():
                yield opening
            due = self._next_bookmark(end)
            while (left := end - monotonic()) > 0:
                events = await self.subscription.wait(min(left, due - monotonic()))
                if text := b"".join(self._told(event) for event in events):
                    yield text
                if self.subscription.overrun:
                    yield self.lines.error(status.expired("the watch fell too far behind"))
                    return
                if monotonic() >= due:
                    due = self._next_bookmark(end)
                    if self.bookmarks:
                        yield self.lines.bookmark(self.store.resource_version)
        finally:
            self.subscription.close()

    def _opening(self) -> bytes:
        text = b"".join(self._told(event) for event in self.first)
        if self.marks_initial_end:
            text += self.lines.bookmark(self.store.resource_version, initial_end=True)
        self.first = []
        return text

    def _next_bookmark(self, end: float) -> float:
        now = monotonic()
        last = end - _BOOKMARK_BEFORE_END
        return min(now + _BOOKMARK_PERIOD, last if last > now else end)

    def _told(self, event: Event) -> bytes:
        """The line that this watch's client gets of a change, empty if it concerns it not."""
        version, previous = event.version, event.previous
        is_wanted = event.type != "DELETED" and self.wanted(version.obj)
        was_wanted = previous is not None and self.wanted(previous.obj)
        if is_wanted:
            return self.lines.change("MODIFIED" if was_wanted else "ADDED", version)
        if not was_wanted or previous is None:
            return b""
        if event.type == "DELETED":
            return self.lines.change("DELETED", version)
        # It left the selection: shown as it was inside, at the resourceVersion of leaving.
        metadata = {**previous.obj["metadata"], "resourceVersion": str(version.number)}
        gone = {**previous.obj, "metadata": metadata}
        return self.lines.change("DELETED", Version(version.resource, gone))


@dataclass(slots=True)
class _Lines:
    """How events are written: objects as they are, or as rows."""

    resource: Resource
    as_table: bool
    include: str | None
    _columns_told: bool = field(default=False)

    def change(self, kind: str, version: Version) -> bytes:
        if not self.as_table:
            return b'{"type":"%b","object":%b}\n' % (kind.encode(), version.json())
        return self._line(kind, self._rows(version.obj))

    def bookmark(self, number: int, *, initial_end: bool = False) -> bytes:
        mark = bookmark(self.resource, number, initial_end=initial_end)
        if self.as_table:
            return self._line("BOOKMARK", self._rows(mark, metadata=mark["metadata"]))
        return self._line("BOOKMARK", mark)

    def error(self, error: status.ApiStatus) -> bytes:
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
