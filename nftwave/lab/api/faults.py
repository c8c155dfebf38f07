"""Faults of an API server: which requests they hit can be counted on.

A fault is said as `NAME[:WHEN][@WHAT]`. WHEN is `1/N`, every N-th request; `N`, the next N, after
which the fault is over; or `#N`, the N-th alone. WHAT is a verb or verb/resource as the audit
names them, `delete/pods`, `create/pods/eviction`, or `change` for all that would change something.
Without WHEN it is `1/3`, without WHAT all requests.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.api.audit import MUTATING_VERBS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.api.requestinfo import RequestInfo

API_FAULTS: Mapping[str, str] = {
    "api-410": "a watch ends with 410 Gone after three events",
    "api-429": "every third request is refused with 429 and Retry-After: 1",
    "api-500": "every third request is refused with 500",
    "api-hang": "every third request is taken and not answered until the fault is cleared",
    "api-lost": "every third change is carried out, then reset before a byte of its answer",
    "api-reset": "every third request is carried out, then its connection is reset in the answer",
}
"""Name and one line of each fault. Open watches notice only api-410 and api-reset."""

EVENTS = 3  # a watch gets before a fault ends it
HANGS_FOR = 600.0  # seconds, unless it is cleared before
CHANGE = "change"
_ENDS_WATCHES = ("api-410", "api-reset")
_SPOKEN = re.compile(
    r"(?P<name>[a-z0-9-]+)(:(1/(?P<period>[1-9]\d*)|(?P<count>[1-9]\d*)|#(?P<place>[1-9]\d*)))?"
    r"(@(?P<verb>[a-z]+)(/(?P<resource>[a-z0-9./-]+))?)?"
)


@dataclass(slots=True)
class Fault:
    """One injected fault.

    Attributes:
        name: one of API_FAULTS.
        period: it hits every so-manieth request; 0: it hits `count` requests from `place` on.
        met: requests of its kind so far.
        released: set when it was cleared.
    """

    name: str
    period: int
    count: int
    place: int
    verb: str
    resource: str
    met: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether it will hit nothing any more."""
        return not self.period and self.met >= self.place - 1 + self.count

    def concerns(self, info: RequestInfo) -> bool:
        """Whether a request is one of those that it may hit."""
        changes = info.verb in MUTATING_VERBS
        if self.name == "api-lost" and not changes:
            return False
        if self.name == "api-410" and info.verb != "watch":
            return False
        by_verb = self.verb in {"", info.verb} or (self.verb == CHANGE and changes)
        return by_verb and self.resource in {"", info.resource_key}

    def hits(self) -> bool:
        """Count one more request that concerns it: whether it is hit."""
        self.met += 1
        if self.period:
            return self.met % self.period == 0
        return self.place <= self.met < self.place + self.count


def parse(spoken: str) -> Fault:
    """The fault that somebody asks for; ValueError if there is none such."""
    match = _SPOKEN.fullmatch(spoken)
    if match is None:
        raise ValueError(f"{spoken!r} is no API fault: say NAME[:1/N|:N|:#N][@VERB/RESOURCE]")
    if match["name"] not in API_FAULTS:
        raise ValueError(f"no such API fault: {match['name']}; there are {', '.join(API_FAULTS)}")
    limited = match["count"] or match["place"]
    # Watches are few, so that the fault of watches hits every one.
    usual = 1 if match["name"] == "api-410" else 3
    return Fault(
        match["name"],
        period=0 if limited else int(match["period"] or usual),
        count=int(match["count"] or 1),
        place=int(match["place"] or 1),
        verb=match["verb"] or "",
        resource=match["resource"] or "",
    )


def is_api_fault(spoken: str) -> bool:
    """Whether that is, or would be, a fault of the API server."""
    return re.split("[:@]", spoken)[0] in API_FAULTS


class ApiFaults:
    """Which faults an API server has now, and whose turn it is."""

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}

    @property
    def active(self) -> set[str]:
        """The faults injected, not cleared and not over, as they were said."""
        return set(self._faults)

    def inject(self, spoken: str) -> None:
        """Begin with a fault; its count starts anew. ValueError for a fault that is none."""
        self._faults[spoken] = parse(spoken)

    def clear(self, spoken: str | None = None) -> None:
        """End one fault, all of that name, or all."""
        for one, fault in list(self._faults.items()):
            if spoken in {None, one, fault.name}:
                fault.released.set()
                del self._faults[one]

    def next_request(self, info: RequestInfo) -> Fault | None:
        """The fault that the request that just arrived meets, if any."""
        met = None
        for spoken, fault in list(self._faults.items()):
            if fault.name == "api-410" or not fault.concerns(info):
                continue
            # A reset that is limited to some requests hits a watch when it has sent something.
            if fault.name == "api-reset" and info.verb == "watch" and not fault.period:
                continue
            if fault.hits() and met is None:
                met = fault
            self._drop_if_over(spoken, fault)
        return met

    def concerns_watch(self, info: RequestInfo) -> bool:
        """Whether a fault may end that watch: its events are counted from now on."""
        return any(
            fault.name in _ENDS_WATCHES and fault.concerns(info) for fault in self._faults.values()
        )

    def ends_watch(self, info: RequestInfo, events: int) -> str | None:
        """The name of the fault that ends a watch that has sent so many events meanwhile."""
        if events < EVENTS:
            return None
        for spoken, fault in list(self._faults.items()):
            if fault.name not in _ENDS_WATCHES or not fault.concerns(info):
                continue
            hit = fault.hits() if fault.name == "api-410" or not fault.period else True
            self._drop_if_over(spoken, fault)
            if hit:
                return fault.name
        return None

    def _drop_if_over(self, spoken: str, fault: Fault) -> None:
        # One that hangs stays, so that `clear` finds it and lets its requests go.
        if fault.is_over and fault.name != "api-hang":
            self._faults.pop(spoken, None)
