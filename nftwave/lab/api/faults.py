"""Faults of an API server, one after every third request, so that tests can count on them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

API_FAULTS: Mapping[str, str] = {
    "api-429": "every third request is refused with 429 and Retry-After: 1",
    "api-500": "every third request is refused with 500",
    "api-reset": "every third request is carried out, then its connection is reset in the answer",
}
"""Name and one line of each fault. Watches that are open already notice only api-reset."""

_PERIOD = 3


class ApiFaults:
    """Which faults an API server has now, and whose turn it is.

    Attributes:
        active: names of the faults injected and not cleared.
    """

    def __init__(self) -> None:
        self.active: set[str] = set()
        self._counts: Counter[str] = Counter()

    def inject(self, name: str) -> None:
        """Begin with a fault; its count starts anew. ValueError for a name that is none."""
        if name not in API_FAULTS:
            raise ValueError(f"no such API fault: {name}; there are {', '.join(API_FAULTS)}")
        self.active.add(name)
        self._counts[name] = 0

    def clear(self, name: str | None = None) -> None:
        """End one fault, or all."""
        self.active -= {name} if name is not None else set(self.active)

    def next_request(self) -> str | None:
        """The fault that the request that just arrived meets, if any."""
        met = None
        for name in API_FAULTS:
            if name in self.active:
                self._counts[name] += 1
                if self._counts[name] % _PERIOD == 0 and met is None:
                    met = name
        return met

    def breaks_watch(self, events_since: int) -> bool:
        """Whether a watch is reset that has sent so many events while api-reset was active."""
        return "api-reset" in self.active and events_since >= _PERIOD
