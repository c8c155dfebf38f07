"""What a node holds beside what the API says it must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.node.facts import ServicePort


@dataclass(frozen=True, slots=True)
class Named:
    """An address and port, and whose it is."""

    port: ServicePort
    service: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs on one node, in one family.

    Attributes:
        expected: how many Service ports must be in service-ips, or have a virtual server.
        missing: of those, the ones that are not.
        rejected: in no-endpoint-services, or without a real server, though there are endpoints.
        stale: in service-ips, though the API tells of no such Service, or of none with endpoints.
            Without meaning in ipvs mode.
        changing: how many differ and changed in the API a moment ago: they count neither way.
    """

    expected: int
    missing: tuple[Named, ...] = ()
    rejected: tuple[Named, ...] = ()
    stale: tuple[Named, ...] = ()
    changing: int = 0
