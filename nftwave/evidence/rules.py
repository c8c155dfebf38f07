"""nftables mode in the kernel: kube-proxy's tables, and its maps beside the API's Services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence import holding
from nftwave.evidence.holding import Holding, few, missing
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import Family
    from nftwave.serving.compare import Comparison


def table(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether kube-proxy's table is there."""
    name, command = f"table {family} kube-proxy", seen.facts.commands.get("tables", "")
    tables = seen.facts.tables
    if isinstance(tables, Unknown):
        yield Evidence(name, Standing.UNKNOWN, tables.reason, command)
    elif (family, "kube-proxy") in tables:
        yield Evidence(name, Standing.VERIFIED, "there", command)
    else:
        yield Evidence(name, missing(seen, family, nothing=True), "not there", command)


def must_serve(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether the API server's own Service is in the map."""
    return holding.must_serve(seen, family, _service_ips(seen, family))


def services(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether the maps hold what the API says: each Service with endpoints, and only those."""
    place = _service_ips(seen, family)
    yield from holding.services(seen, family, place)
    compared, held = seen.look.services, place.ports
    if held is None or isinstance(held, Unknown) or isinstance(compared, Unknown):
        return
    yield _rejected(seen, family, compared[family])
    if stale := compared[family].stale:
        told = f"{len(stale)} that the API does not tell of: {few(stale)}"
        name = f"stale entries {family}"
        yield Evidence(name, Standing.FAILED, told, place.command, counts=False)


def _service_ips(seen: Seen, family: Family) -> Holding:
    return Holding(
        name=f"map service-ips {family}",
        unit="entries",
        place="in service-ips",
        ports=seen.facts.service_ips.get(family, Unknown("the probe did not ask")),
        command=_command(seen, family, "service_ips"),
    )


def _command(seen: Seen, family: Family, field: str) -> str:
    return seen.facts.commands.get(field, "").replace("map ip ", f"map {family} ")


def _rejected(seen: Seen, family: Family, found: Comparison) -> Evidence:
    name = f"no-endpoint-services {family}"
    command = _command(seen, family, "no_endpoints")
    held = seen.facts.no_endpoints.get(family)
    if held is None or isinstance(held, Unknown):
        why = "not there" if held is None else held.reason
        return Evidence(name, Standing.UNKNOWN, why, command)
    if found.rejected:
        told = f"{len(found.rejected)} that have endpoints are rejected: {few(found.rejected)}"
        return Evidence(name, missing(seen, family), told, command)
    told = f"{len(held)} entries, none of a Service that has endpoints"
    return Evidence(name, Standing.VERIFIED, told, command)
