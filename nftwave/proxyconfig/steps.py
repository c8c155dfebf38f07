"""What has to change in a KubeProxyConfiguration, and what stays although it might have changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.proxyconfig.config import Masquerade, ProxyConfig

REACH: Final = ("0.0.0.0/0", "::/0")
"""All addresses of both families. kube-proxy sorts the list by family and takes what is its own, so
both are right for clusters of one family too (Kubernetes 1.36 source, pkg/proxy/util)."""

DEFAULT_ALL: Final = False
DEFAULT_BIT: Final = 14
"""kube-proxy's own masqueradeBit (Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1)."""

REMOVED: Final = object()
"""Value of a field that is taken out."""

ABSENT: Final = object()
"""Value of a field that is not there."""


@dataclass(frozen=True, slots=True)
class Note:
    """A field that was left as it is although it might have been changed, and why."""

    path: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Step:
    """One field to set, or to take out (REMOVED)."""

    path: tuple[str, ...]
    value: Any
    why: str
    source: str


def steps(now: ProxyConfig, value: dict[str, Any], reach: str) -> Iterator[Step]:
    """The fields to change for nftables mode, the mode first."""
    yield Step(
        ("mode",), "nftables", "the mode to move to", "Kubernetes documentation, kube-proxy modes"
    )
    if "ipvs" in value:
        why = "nftables mode reads nothing of it"
        yield Step(("ipvs",), REMOVED, why, "Kubernetes 1.36 source, pkg/proxy/nftables")
    yield from (step for step, _ in _masquerade(now) if step)
    if reach == "keep-reach" and not now.node_port_addresses:
        yield Step(
            ("nodePortAddresses",),
            list(REACH),
            "unset, nftables answers NodePorts on the primary addresses only; ipvs on all",
            "Kubernetes 1.36 source, pkg/proxy/nftables and pkg/proxy/util",
        )


def _masquerade(now: ProxyConfig) -> Iterator[tuple[Step | None, Note | None]]:
    """Source NAT settings to carry over, or to leave as they were set by hand."""
    for field, default in (("masqueradeAll", DEFAULT_ALL), ("masqueradeBit", DEFAULT_BIT)):
        wanted, there = _set(now.iptables, field, default), _set(now.nftables, field, default)
        path = ("nftables", field)
        if there == wanted:
            continue
        if there != default:
            why = f"set by hand and kept; iptables.{field}, which ipvs uses, is {shown(wanted)}"
            yield None, Note(".".join(path), shown(there), why)
            continue
        why = f"ipvs takes it from iptables.{field}, nftables from here; else source NAT changes"
        source = "Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1/conversion.go"
        yield Step(path, wanted, why, source), None


def _set(masquerade: Masquerade, field: str, default: int) -> int:
    value = masquerade.all if field == "masqueradeAll" else masquerade.bit
    return default if value is None else value


def notes(now: ProxyConfig, reach: str) -> Iterator[Note]:
    """The fields that are left to what was set by hand."""
    yield from (note for _, note in _masquerade(now) if note)
    path, addresses = "nodePortAddresses", shown(list(now.node_port_addresses))
    if now.node_port_addresses:
        yield Note(path, addresses, "set by hand and kept")
    elif reach == "primary":
        yield Note(path, "not set", "unset means the primary addresses in nftables mode")


def written(value: Any) -> str:
    """A value in YAML flow style."""
    return value if isinstance(value, str) else json.dumps(value)


def shown(value: Any) -> str:
    """A value for a person, or that there is none."""
    if value is ABSENT:
        return "not set"
    return "removed" if value is REMOVED else written(value)
