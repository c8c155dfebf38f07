"""Watches: every change of what a request selects, as lines of JSON.

Source of the details: Kubernetes 1.36, apiserver/pkg/storage/cacher and
pkg/endpoints/handlers/watch.go; the ERROR and BOOKMARK events as recorded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from nftwave.lab.api.listing import selected
from nftwave.lab.api.watchlines import WatchLines
from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import key_of
from nftwave.lab.store.history import Event, Version

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from nftwave.lab.api.calls import Call
    from nftwave.lab.machinery.resources import Resource
    from nftwave.lab.machinery.selectors import Predicate
    from nftwave.lab.store.store import Store

# Seconds; the real server ends a watch without timeoutSeconds after 30 to 60 minutes.
_SHORTEST_DEFAULT = 1800
_BOOKMARK_PERIOD = 60.0
_BOOKMARK_BEFORE_END = 2.0
# Changes that may wait for a client that does not read; then its watch ends with 410.
_BACKLOG = 20_000


def open_watch(store: Store, resource: Resource, call: Call) -> AsyncGenerator[bytes]:
    """A watch that begins when it is first read; it gives whole lines until `timeoutSeconds`.

    Raises:
        ApiStatus: 400, 406 or 422 for bad parameters. A resourceVersion that is no longer known
            is no refusal but an ERROR event, as the real server has it.
    """
    namespace = call.info.namespace
    test = selected(resource, call)
    timeout = call.number("timeoutSeconds")
    watch = _Watch(
        store=store,
        resource=resource,
        lines=WatchLines(resource, call.wants_table, call.query.get("includeObject")),
        wanted=lambda obj: namespace in {"", key_of(obj)[0]} and test(obj),
        since=call.number("resourceVersion") or 0,
        initial=_wants_initial_events(call),
        marks_initial_end=call.query.get("sendInitialEvents") == "true",
        bookmarks=call.flag("allowWatchBookmarks"),
        seconds=timeout or random.uniform(_SHORTEST_DEFAULT, 2 * _SHORTEST_DEFAULT),  # noqa: S311 - spreads reconnects
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


@dataclass(frozen=True, slots=True)
class _Watch:
    store: Store
    resource: Resource
    lines: WatchLines
    wanted: Predicate
    since: int
    initial: bool
    marks_initial_end: bool
    bookmarks: bool
    seconds: float

    async def run(self) -> AsyncGenerator[bytes]:
        end = monotonic() + self.seconds
        # What is there and what follows are taken in the same moment: no gap, no repeat.
        subscription = self.store.subscribe(self.resource.key, limit=_BACKLOG)
        try:
            if opening := self._opening():
                yield opening
            due = self._next_bookmark(end)
            while (left := end - monotonic()) > 0:
                events = await subscription.wait(min(left, due - monotonic()))
                if text := b"".join(self._told(event) for event in events):
                    yield text
                if subscription.overrun:
                    raise status.expired("the watch fell too far behind")
                if monotonic() >= due:
                    due = self._next_bookmark(end)
                    if self.bookmarks:
                        yield self.lines.bookmark(self.store.resource_version)
        except status.ApiStatus as error:
            yield self.lines.error(error)
        finally:
            subscription.close()

    def _opening(self) -> bytes:
        text = b"".join(self._told(event) for event in self._first_events())
        if self.marks_initial_end:
            text += self.lines.bookmark(self.store.resource_version, initial_end=True)
        return text

    def _first_events(self) -> Iterable[Event]:
        key, current = self.resource.key, self.store.resource_version
        if not self.initial:
            return self.store.events_after(key, self.since or current)
        if self.since > current:
            raise status.too_large(self.since, current)
        return [Event("ADDED", version, None) for version in self.store.versions(key)]

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
