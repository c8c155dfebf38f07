"""Faults of a node whose kernel does not hold what its kube-proxy says it put there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from nftwave.lab.kernel.services import ServicePort

    Ports = tuple[ServicePort, ...]

SYSTEM = frozenset({"kubernetes", "kube-dns"})  # the Services that everybody looks for
VICTIM = ("default", "echo")
NEARLY_FULL = 0.98  # of the connection table


def _half(ports: Ports) -> Ports:
    """Half of them, and those of the system among that half."""
    first = sorted(ports, key=lambda port: port.name not in SYSTEM)
    return tuple(first[: (len(ports) + 1) // 2])


def _without_kubernetes(ports: Ports) -> Ports:
    return tuple(port for port in ports if port.name != "kubernetes")


def _victim_unserved(ports: Ports) -> Ports:
    return tuple(
        replace(port, endpoints=()) if (port.namespace, port.name) == VICTIM else port
        for port in ports
    )


PORTS: dict[str, Callable[[Ports], Ports]] = {
    "tables-without-services": lambda _: (),
    "half-services": _half,
    "map-keys-missing": _without_kubernetes,
    "no-endpoint-lie": _victim_unserved,
}
FAMILIES: dict[str, frozenset[str]] = {
    "log-without-tables": frozenset({"ip", "ip6"}),
    "one-family-missing": frozenset({"ip6"}),
}


def ports_held(faults: Collection[str], ports: Ports) -> Ports:
    """The Services that the tables really hold."""
    for name, change in PORTS.items():
        if name in faults:
            ports = change(ports)
    return ports


def families_held(faults: Collection[str], families: Iterable[str]) -> list[str]:
    """The families that really have a table."""
    missing = {family for name in FAMILIES if name in faults for family in FAMILIES[name]}
    return [family for family in families if family not in missing]
