"""What another proxier left behind: its rules have to be gone, iptables chains are a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.evidence.model import Evidence, Standing
from nftwave.foreign import written
from nftwave.node.facts import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import VirtualServer


def ipvs(seen: Seen) -> Iterable[Evidence]:
    """Whether kube-proxy's virtual servers are gone.

    Those that no Service accounts for are keepalived's or kube-vip's. The change to nftables mode
    flushes them too, so whoever owns them has put them back: a warning, and no leftover.
    """
    name, command = "no ipvs rules", seen.facts.commands.get("virtual_servers", "")
    servers = seen.facts.virtual_servers
    if isinstance(servers, Unknown):
        yield Evidence(name, Standing.UNKNOWN, servers.reason, command)
        return
    foreign: Sequence[VirtualServer] = ()
    if not isinstance(seen.look.foreign, Unknown):
        foreign = seen.look.foreign
    ours = [one for one in servers if one not in foreign]
    told = f"{len(ours)} virtual servers{_few(ours)}"
    if ours and isinstance(seen.look.foreign, Unknown):
        told += f"; whose they are is unknown: {seen.look.foreign.reason}"
    yield Evidence(name, Standing.of(not ours), told, command)
    if foreign:
        told = f"{len(foreign)} virtual servers of no Service{_few(foreign)}"
        yield Evidence("foreign ipvs rules", Standing.FAILED, told, command, counts=False)


def _few(servers: Sequence[VirtualServer]) -> str:
    shown = ", ".join(written(one) for one in servers[:3])
    return f" ({shown}{', …' if len(servers) > 3 else ''})" if shown else ""


def interface_gone(seen: Seen) -> Iterable[Evidence]:
    """Whether `kube-ipvs0`, which holds every ClusterIP in ipvs mode, is gone."""
    name, command = "kube-ipvs0 gone", seen.facts.commands.get("ipvs_interface", "")
    held = seen.facts.ipvs_interface
    if isinstance(held, Unknown):
        yield Evidence(name, Standing.UNKNOWN, held.reason, command)
        return
    told = "gone" if held is None else f"there, with {len(held)} addresses"
    yield Evidence(name, Standing.of(held is None), told, command)


def tables(seen: Seen) -> Iterable[Evidence]:
    """Whether kube-proxy's nftables tables are gone, in which Services would be served twice.

    On the way back kube-proxy removes them at its start, before it syncs (Kubernetes 1.36 source).
    """
    name, command = "nftables tables gone", seen.facts.commands.get("tables", "")
    there = seen.facts.tables
    if isinstance(there, Unknown):
        yield Evidence(name, Standing.UNKNOWN, there.reason, command)
        return
    left = sorted(f"{family} {name}" for family, name in there if name == "kube-proxy")
    told = f"there: {', '.join(left)}" if left else "gone"
    yield Evidence(name, Standing.of(not left), told, command)


def iptables(seen: Seen) -> Iterable[Evidence]:
    """Chains that kube-proxy could not delete; harmless.

    Measured, kube-proxy 1.36.2: `CHAIN_DEL failed (Device or resource busy): chain KUBE-MARK-MASQ`.
    """
    chains, command = seen.facts.iptables_chains, seen.facts.commands.get("iptables_chains", "")
    name = "iptables chains gone"
    if isinstance(chains, Unknown):
        yield Evidence(name, Standing.UNKNOWN, chains.reason, command, counts=False)
        return
    shown = ", ".join(sorted(chains)[:5]) + (", …" if len(chains) > 5 else "")
    told = f"{len(chains)} left, harmless: {shown}" if chains else "gone"
    yield Evidence(name, Standing.of(not chains), told, command, counts=False)
