"""Whether a node holds what the API's Services need, wherever its proxier keeps that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.evidence.look import family_of, written
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import Family, ServicePort
    from nftwave.serving.compare import Named
    from nftwave.serving.virtual import Plain

SHOWN = 3
"""Services that a piece of evidence names; the rest is counted."""
NOT_READ = "kubectl get services,endpointslices -A"


@dataclass(frozen=True)
class Holding:
    """Where a proxier keeps the Service ports of one family.

    Attributes:
        name: what its piece of evidence is called.
        unit: what it counts.
        place: where a Service port is then found, in words.
        ports: those that it holds; None where the place itself is not there.
        command: shows them.
    """

    name: str
    unit: str
    place: str
    ports: frozenset[ServicePort] | frozenset[Plain] | Unknown | None
    command: str


def missing(seen: Seen, family: Family, *, nothing: bool = False) -> Standing:
    """What it means that something is not there: not yet, while the first sync is under way.

    Args:
        nothing: nothing at all is there, as before a kube-proxy serves even its metrics.
    """
    waits = seen.may_be_syncing(family) if nothing else seen.still_syncing(family)
    return Standing.UNKNOWN if waits else Standing.FAILED


def must_serve(seen: Seen, family: Family, holding: Holding) -> Iterable[Evidence]:
    """Whether the API server's own Service is held, whatever else is known of Services."""
    wanted = [port for port in seen.expected.must_serve if family_of(port.address) == family]
    if not wanted:
        return
    name, held, command = holding.name, holding.ports, holding.command
    if isinstance(held, Unknown):
        yield Evidence(name, Standing.UNKNOWN, held.reason, command)
        return
    count = "not there" if held is None else f"{len(held)} {holding.unit}"
    if lacking := [port for port in wanted if port not in (held or ())]:
        told = f"{count}, without {', '.join(map(written, lacking))}"
        yield Evidence(name, missing(seen, family, nothing=not held), told, command)
    else:
        yield Evidence(name, Standing.VERIFIED, f"{count}, with {written(wanted[0])}", command)


def services(seen: Seen, family: Family, holding: Holding) -> Iterable[Evidence]:
    """Whether each Service port that has endpoints is held."""
    compared, held = seen.look.services, holding.ports
    name = f"Services {family}"
    if isinstance(compared, Unknown):
        yield Evidence(name, Standing.UNKNOWN, compared.reason, NOT_READ)
        return
    found = compared[family]
    if held is None or isinstance(held, Unknown):
        if found.expected and not _told_already(seen, family):
            why = "not there" if held is None else held.reason
            standing = missing(seen, family, nothing=True) if held is None else Standing.UNKNOWN
            told = f"{found.expected} Service ports must be {holding.place}: {why}"
            yield Evidence(name, standing, told, holding.command)
        return
    changing = f"; {found.changing} just changed" if found.changing else ""
    there = found.expected - len(found.missing)
    told = f"{there} of {found.expected} Service ports {holding.place}"
    if found.missing:
        told += f", without {few(found.missing)}{changing}"
        yield Evidence(name, missing(seen, family, nothing=not held), told, holding.command)
    else:
        yield Evidence(name, Standing.VERIFIED, told + changing, holding.command)


def _told_already(seen: Seen, family: Family) -> bool:
    """Whether `must_serve` has told already of a place that is not there, or not to be seen.

    It has not where the `kubernetes` Service has no address of that family and others have.
    """
    return any(family_of(port.address) == family for port in seen.expected.must_serve)


def few(named: Sequence[Named]) -> str:
    """The first of them with their Services, and how many more there are."""
    shown = ", ".join(f"{one.service} ({written(one.port)})" for one in named[:SHOWN])
    return shown + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
