"""Rules of kube-proxy's tables, as text and JSON (measured, kube-proxy 1.36.2, nft 1.0.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.kernel.nftables import Json, Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.kernel.services import ServicePort

META_PROTOCOL: Json = {"meta": {"key": "l4proto"}}
DESTINATION_PORT: Json = {"payload": {"protocol": "th", "field": "dport"}}
MARK: Json = {"meta": {"key": "mark"}}
MASQUERADE: Json = {"masquerade": {"flags": "fully-random"}}


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What of the KubeProxyConfiguration shapes the tables."""

    cluster_cidr: str = ""
    node_port_addresses: tuple[str, ...] = ()  # empty: the node's primary address only
    masquerade_bit: int = 14
    masquerade_all: bool = False


def new_connection() -> Json:
    """The first packet of a connection."""
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}


def _address(family: str, which: str) -> Json:
    return {"payload": {"protocol": family, "field": which}}


def _match(op: str, left: Json, right: object) -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def lookup(family: str, name: str) -> Rule:
    """Destination address and port in a verdict map."""
    key = {"concat": [_address(family, "daddr"), META_PROTOCOL, DESTINATION_PORT]}
    return Rule(
        f"{family} daddr . meta l4proto . th dport vmap @{name}",
        ({"vmap": {"key": key, "data": f"@{name}"}},),
    )


def node_port_lookup(
    family: str, name: str, node_ips: tuple[str, ...] | None, *, local: bool
) -> Rule:
    """Destination port in a verdict map, for the addresses that accept NodePorts."""
    vmap: Json = {
        "vmap": {"key": {"concat": [META_PROTOCOL, DESTINATION_PORT]}, "data": f"@{name}"}
    }
    tail = f"meta l4proto . th dport vmap @{name}"
    if node_ips is not None:
        chosen = _match("==", _address(family, "daddr"), "@nodeport-ips")
        return Rule(f"{family} daddr @nodeport-ips {tail}", (chosen, vmap))
    loopback = "::1" if family == "ip6" else "127.0.0.0/8"
    right = loopback if family == "ip6" else {"prefix": {"addr": "127.0.0.0", "len": 8}}
    not_loopback = _match("!=", _address(family, "daddr"), right)
    text = f"{family} daddr != {loopback} {tail}"
    if not local:
        return Rule(text, (not_loopback, vmap))
    is_local = _match("==", {"fib": {"result": "type", "flags": ["daddr"]}}, "local")
    return Rule(f"fib daddr type local {text}", (is_local, not_loopback, vmap))


def mark_packet(mark: int) -> Json:
    """Mark a packet for masquerading."""
    return {"mangle": {"key": MARK, "value": {"|": [MARK, mark]}}}


def services(
    family: str,
    ports: Sequence[ServicePort],
    node_ips: tuple[str, ...] | None,
    settings: ProxySettings,
) -> list[Rule]:
    """Chain services: which packets to masquerade, then by address or by NodePort."""
    rules = []
    mark = 1 << settings.masquerade_bit
    set_mark = f"meta mark set meta mark | 0x{mark:08x}"
    to_cluster_ips = _match("==", _address(family, "daddr"), "@cluster-ips")
    if ports and settings.masquerade_all:
        text = f"{family} daddr @cluster-ips {set_mark}"
        expression = (to_cluster_ips, mark_packet(mark))
        rules.append(Rule(text, expression, "masquerade clusterIP traffic"))
    elif ports and settings.cluster_cidr and (":" in settings.cluster_cidr) == (family == "ip6"):
        address, _, length = settings.cluster_cidr.partition("/")
        outside = _match(
            "!=", _address(family, "saddr"), {"prefix": {"addr": address, "len": int(length)}}
        )
        rules.append(
            Rule(
                f"{family} daddr @cluster-ips {family} saddr != {settings.cluster_cidr} {set_mark}",
                (to_cluster_ips, outside, mark_packet(mark)),
                "masquerade clusterIP traffic from outside cluster",
            )
        )
    rules.append(lookup(family, "service-ips"))
    rules.append(node_port_lookup(family, "service-nodeports", node_ips, local=True))
    return rules


def masquerading(family: str, mark: int) -> tuple[Rule, Rule]:
    """Masquerade what is marked, and what comes back to where it started."""
    shown = f"0x{mark:08x}"
    marked = _match("!=", {"&": [MARK, mark]}, 0)
    unmark: Json = {"mangle": {"key": MARK, "value": {"^": [MARK, mark]}}}
    key = {
        "concat": [
            _address(family, "saddr"),
            _address(family, "daddr"),
            META_PROTOCOL,
            DESTINATION_PORT,
        ]
    }
    dnat = _match("in", {"ct": {"key": "status"}}, "dnat")
    return (
        Rule(
            f"meta mark & {shown} != 0x00000000 meta mark set meta mark ^ {shown} "
            "masquerade fully-random",
            (marked, unmark, MASQUERADE),
        ),
        Rule(
            f"ct status dnat {family} saddr . {family} daddr . meta l4proto . th dport "
            "@hairpin-connections masquerade fully-random",
            (dnat, _match("==", key, "@hairpin-connections"), MASQUERADE),
        ),
    )


def reject(family: str) -> Json:
    """Say that the port is unreachable."""
    kind = "icmp" if family == "ip" else "icmpv6"
    return {"reject": {"type": kind, "expr": "port-unreachable"}}


def cluster_ips_check(family: str, ports: Sequence[ServicePort]) -> list[Rule]:
    """No traffic to ports and ClusterIPs that no Service has."""
    to_active = _match("==", _address(family, "daddr"), "@cluster-ips")
    rules = [
        Rule(
            f"{family} daddr @cluster-ips reject",
            (to_active, reject(family)),
            "Reject traffic to invalid ports of ClusterIPs",
        )
    ]
    if ports:
        unallocated = _match(
            "==", _address(family, "daddr"), {"prefix": {"addr": "10.96.0.0", "len": 12}}
        )
        rules.append(
            Rule(
                f"{family} daddr 10.96.0.0/12 drop",
                (unallocated, {"drop": None}),
                "Drop traffic to unallocated ClusterIPs",
            )
        )
    return rules


def forward(family: str, port: ServicePort) -> Rule:
    """To one of the endpoints, by lot."""
    count = len(port.endpoints)
    texts = [
        f"{place} : {address} . {target}" for place, (address, target) in enumerate(port.endpoints)
    ]
    data = [
        [place, {"concat": [address, target]}]
        for place, (address, target) in enumerate(port.endpoints)
    ]
    numgen = {"numgen": {"mode": "random", "mod": count, "offset": 0}}
    return Rule(
        f"meta l4proto {port.protocol} dnat {family} to numgen random mod {count} "
        f"map {{ {', '.join(texts)} }}",
        (
            _match("==", META_PROTOCOL, port.protocol),
            {"dnat": {"family": family, "addr": {"map": {"key": numgen, "data": {"set": data}}}}},
        ),
    )
