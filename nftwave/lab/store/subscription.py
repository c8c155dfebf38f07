"""Following the changes of a store from inside the process."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event

Change = tuple[str, "Object"]
"""("ADDED" | "MODIFIED" | "DELETED", object)."""


class Subscription:
    """Changes of some resources, from the moment of subscribing, in order.

    An async iterator of (resource key, Change); it ends after `close()`. Use it within one event
    loop, that of the store's writers.

    Attributes:
        overrun: more than `limit` changes waited unread: they were dropped, and it is closed.
    """

    def __init__(self, on_close: Callable[[Subscription], None], limit: int | None = None) -> None:
        self.overrun = False
        self.closed = False
        self._on_close = on_close
        self._limit = limit
        self._waiting: deque[tuple[str, Event]] = deque()
        self._news = asyncio.Event()

    def push(self, resource: str, event: Event) -> None:
        """Called by the store for each change."""
        self._waiting.append((resource, event))
        if self._limit is not None and len(self._waiting) > self._limit:
            self.overrun = True
            self._waiting.clear()
            self.close()
        self._news.set()

    async def wait(self, seconds: float | None = None) -> list[Event]:
        """All changes that wait, at least one; none after `seconds` or when closed."""
        if not self._waiting and not self.closed:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), seconds)
            except TimeoutError:
                return []
        events = [event for _, event in self._waiting]
        self._waiting.clear()
        return events

    def close(self) -> None:
        """Stop following; whoever waits is woken."""
        if not self.closed:
            self.closed = True
            self._on_close(self)
            self._news.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Change]:
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        resource, event = self._waiting.popleft()
        return resource, (event.type, event.version.obj)
