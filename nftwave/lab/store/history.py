"""Versions of objects, and the bounded record of changes that watches and pages are served from."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Literal, NamedTuple

from nftwave.lab.machinery.objects import Object, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.machinery.resources import Resource

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[str, str]


class Version:
    """One object at one resourceVersion, serialised at most once.

    Attributes:
        obj: the object; never changed once it is here.
        number: its resourceVersion.
    """

    __slots__ = ("_json", "number", "obj", "resource")

    def __init__(self, resource: Resource, obj: Object) -> None:
        self.resource = resource
        self.obj = obj
        self.number = int(obj["metadata"]["resourceVersion"])
        self._json: bytes | None = None

    def json(self) -> bytes:
        """The object as a client gets it by itself."""
        if self._json is None:
            self._json = json.dumps(
                self.obj,
                ensure_ascii=False,
                separators=(",", ":"),
                sort_keys=self.resource.custom,
            ).encode()
        return self._json

    def item_json(self) -> bytes:
        """The object as an item of a list: built-in kinds do not repeat kind and apiVersion."""
        if self.resource.custom:
            return self.json()
        head = f'{{"kind":"{self.resource.kind}","apiVersion":"{self.resource.api_version}",'
        return b"{" + self.json()[len(head) :]

    def forget_json(self) -> None:
        """Free the serialised form; it is made anew if somebody asks once more."""
        self._json = None


class Event(NamedTuple):
    """One change: what kind, the version that came of it, and the one before it."""

    type: ChangeType
    version: Version
    previous: Version | None


class History:
    """The latest changes of one resource, oldest first.

    Attributes:
        floor: changes up to this resourceVersion are no longer known: a watch or page that starts
            before it is refused with 410.
    """

    def __init__(self, window: int) -> None:
        self.floor = 0
        self._window = window
        self._events: deque[Event] = deque()
        self._serialised: deque[Version] = deque()

    def append(self, event: Event) -> None:
        """Record a change; the oldest one is forgotten when the window is full."""
        self._events.append(event)
        if len(self._events) > self._window:
            self.floor = self._events.popleft().version.number
        if event.previous is not None:
            self._drop_json_later(event.previous)
        if event.type == "DELETED":
            self._drop_json_later(event.version)

    def forget_up_to(self, number: int) -> None:
        """Forget all changes up to that resourceVersion, as etcd's compaction does."""
        self.floor = max(self.floor, number)
        while self._events and self._events[0].version.number <= number:
            self._events.popleft()

    def after(self, number: int) -> Iterator[Event]:
        """The changes later than that resourceVersion, oldest first."""
        later: list[Event] = []
        for event in reversed(self._events):
            if event.version.number <= number:
                break
            later.append(event)
        return reversed(later)

    def rewind(self, current: dict[Key, Version], number: int) -> dict[Key, Version]:
        """What `current` was at that resourceVersion (not before `floor`)."""
        then = dict(current)
        for event in reversed(self._events):
            if event.version.number <= number:
                break
            key = key_of(event.version.obj)
            if event.previous is None:
                then.pop(key, None)
            else:
                then[key] = event.previous
        return then

    def _drop_json_later(self, version: Version) -> None:
        # Watches that are a little behind still find the bytes ready.
        self._serialised.append(version)
        if len(self._serialised) > 256:
            self._serialised.popleft().forget_json()
