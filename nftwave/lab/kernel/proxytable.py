"""The tables `ip kube-proxy` and `ip6 kube-proxy` (measured, kube-proxy 1.36.2, nft 1.0.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.kernel.nftables import Chain, Hook, Rule, Table
from nftwave.lab.kernel.proxyrules import (
    ProxySettings,
    cluster_ips_check,
    forward,
    lookup,
    mark_packet,
    masquerading,
    new_connection,
    node_port_lookup,
    reject,
    services,
)
from nftwave.lab.kernel.proxysets import collections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.kernel.services import ServicePort

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
        collections(family, mine, chosen),
        (
            *_base_chains(),
            *_check_chains(family, chosen),
            *_service_chains(family, mine, chosen, settings),
        ),
        comment="rules for kube-proxy",
    )


def _base_chains() -> list[Chain]:
    chains = []
    for name, hook, targets in BASE_CHAINS:
        checks = hook.type == "filter"
        rules = tuple(
            Rule(f"ct state new jump {target}", (new_connection(), {"jump": {"target": target}}))
            if checks
            else Rule(f"jump {target}", ({"jump": {"target": target}},))
            for target in targets
        )
        chains.append(Chain(name, rules, hook))
    return chains


def _check_chains(family: str, node_ips: tuple[str, ...] | None) -> list[Chain]:
    return [
        Chain(
            "nodeport-endpoints-check",
            (node_port_lookup(family, "no-endpoint-nodeports", node_ips, local=False),),
        ),
        Chain("service-endpoints-check", (lookup(family, "no-endpoint-services"),)),
        Chain("firewall-check", (lookup(family, "firewall-ips"),)),
    ]


def _service_chains(
    family: str,
    ports: Sequence[ServicePort],
    node_ips: tuple[str, ...] | None,
    settings: ProxySettings,
) -> list[Chain]:
    mark = 1 << settings.masquerade_bit
    chains = [
        Chain("services", tuple(services(family, ports, node_ips, settings))),
        Chain("masquerading", masquerading(family, mark)),
        Chain("cluster-ips-check", tuple(cluster_ips_check(family, ports))),
        Chain(
            "reject-chain",
            (Rule("reject", (reject(family),)),),
            comment="helper for @no-endpoint-services / @no-endpoint-nodeports",
        ),
    ]
    for port in ports:
        if port.endpoints:
            chains.append(Chain(f"service-{port.chain}", (forward(family, port),)))
            if port.node_port or port.external_ips:
                chains.append(_external(port, mark))
    return chains


def _external(port: ServicePort, mark: int) -> Chain:
    target = f"service-{port.chain}"
    return Chain(
        f"external-{port.chain}",
        (
            Rule(f"meta mark set meta mark | 0x{mark:08x}", (mark_packet(mark),), "masquerade"),
            Rule(f"goto {target}", ({"goto": {"target": target}},)),
        ),
    )
