"""What one probe of one node found out.

Every field says what was seen, or `Unknown` with the reason why it could not be seen. Nothing here
judges: `findings/` and `evidence.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Family = Literal["ip", "ip6"]
"""An nftables address family; kube-proxy calls them IPv4 and IPv6 in its metrics and log."""
Labelled = Family | Literal["any"]
"""The family that a sample of a metric names; `any` where it names none, as those of older
kube-proxies: it then tells of whichever family was synced last."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be had. Neither true nor false: its truth value raises."""

    reason: str

    def __bool__(self) -> bool:
        raise TypeError(f"an unknown fact is neither true nor false ({self.reason})")


class ServicePort(NamedTuple):
    """One address, protocol (lower case: tcp, udp, sctp) and port that a Service answers on."""

    address: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class VirtualServer:
    """One ipvs virtual server of `/proc/net/ip_vs`.

    `address` is empty and `port` is the mark for a firewall-mark server (protocol `fwm`).
    """

    protocol: str
    address: str
    port: int
    scheduler: str
    backends: tuple[ServicePort, ...] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """kube-proxy's `/healthz` on port 10256: HTTP status, and healthy by family where it tells."""

    status: int
    families: Mapping[Family, bool]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A new TCP connection that was tried from the node: what came of it, in the tool's words."""

    connected: bool
    said: str


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Everything that the probe saw, in the node's own words.

    Times are seconds since the epoch by the node's clock, as kube-proxy's metrics are.
    """

    node: str
    clock: float | Unknown
    """When the probe ran."""
    uid: int | Unknown
    """The user the probe ran as, after sudo: 0 is what nft needs."""
    kernel: str | Unknown
    """`uname -r`, such as `6.1.0-50-amd64`."""
    os: str | Unknown
    """PRETTY_NAME of /etc/os-release."""
    nft: str | Unknown | None
    """Version of nft on the host, such as `1.0.6`; None where there is no nft."""
    proxy_nft: str | Unknown | None
    """Version of nft in kube-proxy's image, which is the one that kube-proxy uses; None where that
    has none. Only an exec in its pod tells."""
    tables: frozenset[tuple[str, str]] | Unknown
    """(family, name) of every nftables table."""
    service_ips: Mapping[Family, frozenset[ServicePort] | Unknown | None]
    """Keys of kube-proxy's map `service-ips`, by family; None where table or map is not there."""
    no_endpoints: Mapping[Family, frozenset[ServicePort] | Unknown | None]
    """Keys of kube-proxy's map `no-endpoint-services`, as `service_ips`."""
    virtual_servers: tuple[VirtualServer, ...] | Unknown
    """Empty where ipvs holds none or the module is not loaded."""
    ipvs_connections: Mapping[str, int] | Unknown
    """Connections that ipvs tracks, by state (`ESTABLISHED`, `TIME_WAIT`, …)."""
    established: Mapping[ServicePort, int] | Unknown
    """How many of them are established, by virtual server."""
    ipvs_interface: tuple[str, ...] | Unknown | None
    """Addresses on `kube-ipvs0`; None where there is no such interface."""
    proxy_mode: str | Unknown
    """What kube-proxy answers to `/proxyMode` on 127.0.0.1:10249."""
    last_sync: Mapping[Labelled, float] | Unknown
    """`kubeproxy_sync_proxy_rules_last_timestamp_seconds`: the last sync that succeeded; no entry
    or 0 before the first one."""
    last_queued: Mapping[Labelled, float] | Unknown
    """`kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds`: when a sync was asked for."""
    sync_failures: Mapping[Labelled, float] | Unknown
    """`kubeproxy_sync_proxy_rules_nftables_sync_failures_total`, since the process began; no entry
    where not reported."""
    process_started: float | Unknown
    """`process_start_time_seconds` of the kube-proxy that answers on 127.0.0.1:10249."""
    listener: str | Unknown
    """Cgroup of the process that listens on port 10249, which names its pod."""
    health: Health | Unknown
    conntrack: tuple[int, int] | Unknown
    """Entries in the conntrack table, and its limit."""
    iptables_chains: frozenset[str] | Unknown
    """Chains `KUBE-…` of iptables and ip6tables, those that the kubelet makes left out."""
    answers: Mapping[ServicePort, Attempt | Unknown]
    """New connections from the node, one to each Service port that was asked for."""
    firewalls: frozenset[str] | Unknown
    """Which of firewalld, nftables.service and ufw are active on the host."""
    commands: Mapping[str, str]
    """The command behind each fact, by field name, so that a person can repeat it."""
