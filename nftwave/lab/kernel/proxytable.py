"""The tables `ip kube-proxy` and `ip6 kube-proxy` (measured, kube-proxy 1.36.2, nft 1.0.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.kernel.nftables import (
    KEY_TYPES,
    Chain,
    Collection,
    Element,
    Hook,
    Json,
    Rule,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.kernel.services import ServicePort

PORT_KEY = ("inet_proto", "inet_service")
META_PROTOCOL: Json = {"meta": {"key": "l4proto"}}
DESTINATION_PORT: Json = {"payload": {"protocol": "th", "field": "dport"}}
MARK: Json = {"meta": {"key": "mark"}}
MASQUERADE: Json = {"masquerade": {"flags": "fully-random"}}
BASE_CHAINS = (
    ("filter-prerouting-pre-dnat", Hook("filter", "prerouting", "dstnat - 10", -110),
     ("firewall-check",)),
    ("filter-output-pre-dnat", Hook("filter", "output", "-110", -110), ("firewall-check",)),
    ("filter-input", Hook("filter", "input", "filter", 0),
     ("nodeport-endpoints-check", "service-endpoints-check")),
    ("filter-forward", Hook("filter", "forward", "filter", 0),
     ("service-endpoints-check", "cluster-ips-check")),
    ("filter-output", Hook("filter", "output", "filter", 0),
     ("service-endpoints-check", "cluster-ips-check")),
    ("nat-prerouting", Hook("nat", "prerouting", "dstnat", -100), ("services",)),
    ("nat-output", Hook("nat", "output", "-100", -100), ("services",)),
    ("nat-postrouting", Hook("nat", "postrouting", "srcnat", 100), ("masquerading",)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """What of the KubeProxyConfiguration shapes the tables."""

    cluster_cidr: str = ""
    node_port_addresses: tuple[str, ...] = ()  # empty: the node's primary address only
    masquerade_bit: int = 14
    masquerade_all: bool = False


def proxy_table(
    family: str, ports: Sequence[ServicePort], node_ips: Sequence[str], settings: ProxySettings
) -> Table:
    """The table of one family on a node with these addresses."""
    mine = [port for port in ports if port.family == family]
    every_address = bool(settings.node_port_addresses) and settings.node_port_addresses != (
        "primary",
    )
    # As measured: the second family of a single-stack cluster answers on any local address.
    chosen = None if every_address or family == "ip6" else tuple(node_ips)
    return Table(
        family,
        "kube-proxy",
        _collections(family, mine, chosen),
        (
            *_base_chains(),
            *_check_chains(family, chosen),
            *_service_chains(family, mine, chosen, settings),
        ),
        comment="rules for kube-proxy",
    )


def _collections(
    family: str, ports: Sequence[ServicePort], node_ips: tuple[str, ...] | None
) -> tuple[Collection, ...]:
    address = KEY_TYPES[family]
    served = [port for port in ports if port.endpoints]
    unserved = [port for port in ports if not port.endpoints]
    service_key = (address, *PORT_KEY)
    found = [
        Collection(
            "hairpin-connections",
            (address, address, *PORT_KEY),
            False,
            "service hairpin connections",
        ),
        Collection(
            "cluster-ips",
            (address,),
            False,
            "Active ClusterIPs",
            tuple(Element((ip,)) for ip in sorted({port.cluster_ip for port in ports})),
        ),
    ]
    if node_ips is not None:
        found.append(
            Collection(
                "nodeport-ips",
                (address,),
                False,
                "IPs that accept NodePort traffic",
                tuple(Element((ip,)) for ip in node_ips),
            )
        )
    reject = "reject-chain"
    found += [
        Collection(
            "no-endpoint-services",
            service_key,
            True,
            "vmap to drop or reject packets to services with no endpoints",
            tuple(Element((p.cluster_ip, p.protocol, p.port), reject) for p in unserved),
        ),
        Collection(
            "no-endpoint-nodeports",
            PORT_KEY,
            True,
            "vmap to drop or reject packets to service nodeports with no endpoints",
            tuple(Element((p.protocol, p.node_port), reject) for p in unserved if p.node_port),
        ),
        Collection(
            "firewall-ips",
            service_key,
            True,
            "destinations that are subject to LoadBalancerSourceRanges",
        ),
        Collection(
            "service-ips",
            service_key,
            True,
            "ClusterIP, ExternalIP and LoadBalancer IP traffic",
            tuple(
                Element((p.cluster_ip, p.protocol, p.port), f"service-{p.chain}") for p in served
            ),
        ),
        Collection(
            "service-nodeports",
            PORT_KEY,
            True,
            "NodePort traffic",
            tuple(
                Element((p.protocol, p.node_port), f"external-{p.chain}")
                for p in served
                if p.node_port
            ),
        ),
    ]
    return tuple(found)


def _base_chains() -> list[Chain]:
    chains = []
    for name, hook, targets in BASE_CHAINS:
        checks = hook.type == "filter"
        rules = tuple(
            Rule(f"ct state new jump {target}", (_new(), {"jump": {"target": target}}))
            if checks
            else Rule(f"jump {target}", ({"jump": {"target": target}},))
            for target in targets
        )
        chains.append(Chain(name, rules, hook))
    return chains


def _new() -> Json:
    return {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}}


def _address(family: str, which: str) -> Json:
    return {"payload": {"protocol": family, "field": which}}


def _match(op: str, left: Json, right: object) -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _lookup(family: str, name: str) -> Rule:
    """Destination address and port in a verdict map."""
    key = {"concat": [_address(family, "daddr"), META_PROTOCOL, DESTINATION_PORT]}
    return Rule(
        f"{family} daddr . meta l4proto . th dport vmap @{name}",
        ({"vmap": {"key": key, "data": f"@{name}"}},),
    )


def _node_port_lookup(
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


def _check_chains(family: str, node_ips: tuple[str, ...] | None) -> list[Chain]:
    return [
        Chain(
            "nodeport-endpoints-check",
            (_node_port_lookup(family, "no-endpoint-nodeports", node_ips, local=False),),
        ),
        Chain("service-endpoints-check", (_lookup(family, "no-endpoint-services"),)),
        Chain("firewall-check", (_lookup(family, "firewall-ips"),)),
    ]


def _service_chains(
    family: str,
    ports: Sequence[ServicePort],
    node_ips: tuple[str, ...] | None,
    settings: ProxySettings,
) -> list[Chain]:
    mark = 1 << settings.masquerade_bit
    chains = [
        Chain("services", tuple(_services(family, ports, node_ips, settings))),
        Chain("masquerading", _masquerading(family, mark)),
        Chain("cluster-ips-check", tuple(_cluster_ips_check(family, ports))),
        Chain(
            "reject-chain",
            (Rule("reject", (_reject(family),)),),
            comment="helper for @no-endpoint-services / @no-endpoint-nodeports",
        ),
    ]
    for port in ports:
        if port.endpoints:
            chains.append(Chain(f"service-{port.chain}", (_forward(family, port),)))
            if port.node_port:
                chains.append(_external(port, mark))
    return chains


def _set_mark(mark: int) -> Json:
    return {"mangle": {"key": MARK, "value": {"|": [MARK, mark]}}}


def _services(
    family: str,
    ports: Sequence[ServicePort],
    node_ips: tuple[str, ...] | None,
    settings: ProxySettings,
) -> list[Rule]:
    rules = []
    mark = 1 << settings.masquerade_bit
    set_mark = f"meta mark set meta mark | 0x{mark:08x}"
    to_cluster_ips = _match("==", _address(family, "daddr"), "@cluster-ips")
    if ports and settings.masquerade_all:
        text = f"{family} daddr @cluster-ips {set_mark}"
        expression = (to_cluster_ips, _set_mark(mark))
        rules.append(Rule(text, expression, "masquerade clusterIP traffic"))
    elif ports and settings.cluster_cidr and (":" in settings.cluster_cidr) == (family == "ip6"):
        address, _, length = settings.cluster_cidr.partition("/")
        outside = _match(
            "!=", _address(family, "saddr"), {"prefix": {"addr": address, "len": int(length)}}
        )
        rules.append(
            Rule(
                f"{family} daddr @cluster-ips {family} saddr != {settings.cluster_cidr} {set_mark}",
                (to_cluster_ips, outside, _set_mark(mark)),
                "masquerade clusterIP traffic from outside cluster",
            )
        )
    rules.append(_lookup(family, "service-ips"))
    rules.append(_node_port_lookup(family, "service-nodeports", node_ips, local=True))
    return rules


def _masquerading(family: str, mark: int) -> tuple[Rule, Rule]:
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


def _reject(family: str) -> Json:
    kind = "icmp" if family == "ip" else "icmpv6"
    return {"reject": {"type": kind, "expr": "port-unreachable"}}


def _cluster_ips_check(family: str, ports: Sequence[ServicePort]) -> list[Rule]:
    to_active = _match("==", _address(family, "daddr"), "@cluster-ips")
    rules = [
        Rule(
            f"{family} daddr @cluster-ips reject",
            (to_active, _reject(family)),
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


def _forward(family: str, port: ServicePort) -> Rule:
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


def _external(port: ServicePort, mark: int) -> Chain:
    target = f"service-{port.chain}"
    return Chain(
        f"external-{port.chain}",
        (
            Rule(f"meta mark set meta mark | 0x{mark:08x}", (_set_mark(mark),), "masquerade"),
            Rule(f"goto {target}", ({"goto": {"target": target}},)),
        ),
    )
