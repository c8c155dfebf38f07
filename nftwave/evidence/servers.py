"""ipvs mode in the kernel: virtual servers beside the API's Services, and `kube-ipvs0`.

The ipvs proxier makes a virtual server of every Service port, and puts every ClusterIP on
`kube-ipvs0` (Kubernetes 1.36 source, pkg/proxy/ipvs/proxier.go; recorded, kube-proxy 1.36.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence import holding
from nftwave.evidence.holding import NOT_READ, SHOWN, Holding, few, missing
from nftwave.evidence.look import family_of
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import Family


def must_serve(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether there is a virtual server of the API server's own Service."""
    return holding.must_serve(seen, family, _held(seen, family))


def services(seen: Seen, family: Family) -> Iterable[Evidence]:
    """Whether each Service port with endpoints has a virtual server, and that has real servers."""
    place = _held(seen, family)
    yield from holding.services(seen, family, place)
    compared = seen.look.services
    if isinstance(compared, Unknown) or not isinstance(place.ports, frozenset):
        return
    name, bare = f"real servers {family}", compared[family].rejected
    if bare:
        told = f"{len(bare)} virtual servers of Services with endpoints have none: {few(bare)}"
        yield Evidence(name, missing(seen, family), told, place.command)
    else:
        told = "no virtual server of a Service with endpoints is without"
        yield Evidence(name, Standing.VERIFIED, told, place.command)


def _held(seen: Seen, family: Family) -> Holding:
    held = seen.balanced
    return Holding(
        name=f"virtual servers {family}",
        unit="virtual servers",
        place="among the virtual servers",
        ports=held if isinstance(held, Unknown) else held[family],
        command=seen.facts.commands.get("virtual_servers", ""),
    )


def interface(seen: Seen) -> Iterable[Evidence]:
    """Whether `kube-ipvs0` is there and carries the ClusterIPs of all families that are served."""
    name, command = "kube-ipvs0", seen.facts.commands.get("ipvs_interface", "")
    held, known = seen.facts.ipvs_interface, seen.look.cluster_ips
    if isinstance(held, Unknown):
        yield Evidence(name, Standing.UNKNOWN, held.reason, command)
    elif held is None:
        yield Evidence(name, _weakest(seen, seen.families, nothing=True), "not there", command)
    elif isinstance(known, Unknown):
        yield Evidence(name, Standing.UNKNOWN, known.reason, NOT_READ)
    else:
        bound = frozenset(held)
        wanted = [address for address in known if family_of(address) in seen.families]
        lacking = [address for address in wanted if address not in bound]
        told = f"there, with {len(wanted) - len(lacking)} of {len(wanted)} ClusterIPs"
        if not lacking:
            yield Evidence(name, Standing.VERIFIED, told, command)
            return
        told += ", without " + ", ".join(f"{known[a]} ({a})" for a in lacking[:SHOWN])
        told += f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
        of = {family_of(address) for address in lacking}
        yield Evidence(name, _weakest(seen, of, nothing=not bound), told, command)


def _weakest(seen: Seen, families: Iterable[Family], *, nothing: bool) -> Standing:
    """Failed as soon as one family's first sync can no longer be what is waited for."""
    standings = {missing(seen, family, nothing=nothing) for family in families}
    return Standing.UNKNOWN if standings == {Standing.UNKNOWN} else Standing.FAILED
