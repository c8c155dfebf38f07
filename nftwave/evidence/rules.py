"""What is in the kernel: kube-proxy's tables, and its maps beside the API's Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence.look import family_of, written
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import Family
    from nftwave.serving.compare import Comparison, Named

SHOWN = 3
"""Services that a piece of evidence names; the rest is counted."""


def table(seen: Seen, family: Family) -> Evidence:
    """Whether kube-proxy's table is there."""
    name, command = f"table {family} kube-proxy", seen.facts.commands.get("tables", "")
    tables = seen.facts.tables
    if isinstance(tables, Unknown):
        return Evidence(name, Standing.UNKNOWN, tables.reason, command)
    if (family, "kube-proxy") in tables:
        return Evidence(name, Standing.VERIFIED, "there", command)
    standing = Standing.UNKNOWN if seen.may_be_syncing(family) else Standing.FAILED
    return Evidence(name, standing, "not there", command)


def _missing(seen: Seen, family: Family) -> Standing:
    """What it means that a rule is not there: not yet, while the first sync is under way."""
    return Standing.UNKNOWN if seen.still_syncing(family) else Standing.FAILED


def _command(seen: Seen, family: Family, field: str) -> str:
    return seen.facts.commands.get(field, "").replace("map ip ", f"map {family} ")


def must_serve(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether the API server's own Service is in the map, whatever else is known of Services."""
    wanted = [port for port in seen.expected.must_serve if family_of(port.address) == family]
    if not wanted:
        return
    name, command = f"map service-ips {family}", _command(seen, family, "service_ips")
    held = seen.facts.service_ips.get(family, Unknown("the probe did not ask"))
    if isinstance(held, Unknown):
        yield Evidence(name, Standing.UNKNOWN, held.reason, command)
        return
    missing = [port for port in wanted if port not in (held or ())]
    if missing:
        entries = "not there" if held is None else f"{len(held)} entries"
        told = f"{entries}, without {', '.join(map(written, missing))}"
        waits = held is None and seen.may_be_syncing(family)
        yield Evidence(name, Standing.UNKNOWN if waits else _missing(seen, family), told, command)
    else:
        told = f"{len(held or ())} entries, with {written(wanted[0])}"
        yield Evidence(name, Standing.VERIFIED, told, command)


def services(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether the maps hold what the API says: each Service with endpoints, and only those."""
    found, held = seen.look.services, seen.facts.service_ips.get(family)
    if isinstance(found, Unknown):
        command = "kubectl get services,endpointslices -A"
        yield Evidence(f"Services {family}", Standing.UNKNOWN, found.reason, command)
        return
    if held is None or isinstance(held, Unknown):
        # The table or the map is not there, or not to be seen: told by the evidence above, unless
        # no Service port had to be there anyway.
        return
    yield _held(seen, family, found[family])
    yield _rejected(seen, family, found[family])
    if stale := found[family].stale:
        told = f"{len(stale)} that the API does not tell of: {_few(stale)}"
        command = _command(seen, family, "service_ips")
        name = f"stale entries {family}"
        yield Evidence(name, Standing.FAILED, told, command, counts=False)


def _held(seen: Seen, family: Family, found: Comparison) -> Evidence:
    name, command = f"Services {family}", _command(seen, family, "service_ips")
    changing = f"; {found.changing} just changed" if found.changing else ""
    told = f"{found.expected - len(found.missing)} of {found.expected} Service ports in service-ips"
    if not found.missing:
        return Evidence(name, Standing.VERIFIED, told + changing, command)
    told = f"{told}, without {_few(found.missing)}{changing}"
    return Evidence(name, _missing(seen, family), told, command)


def _rejected(seen: Seen, family: Family, found: Comparison) -> Evidence:
    name = f"no-endpoint-services {family}"
    command = _command(seen, family, "no_endpoints")
    held = seen.facts.no_endpoints.get(family)
    if held is None or isinstance(held, Unknown):
        why = "not there" if held is None else held.reason
        return Evidence(name, Standing.UNKNOWN, why, command)
    if found.rejected:
        told = f"{len(found.rejected)} that have endpoints are rejected: {_few(found.rejected)}"
        return Evidence(name, _missing(seen, family), told, command)
    told = f"{len(held)} entries, none of a Service that has endpoints"
    return Evidence(name, Standing.VERIFIED, told, command)


def _few(named: Sequence[Named]) -> str:
    shown = ", ".join(f"{one.service} ({written(one.port)})" for one in named[:SHOWN])
    return shown + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
