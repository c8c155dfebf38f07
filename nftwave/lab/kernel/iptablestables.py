"""The iptables-nft tables of any Kubernetes node, with what the ipvs proxier adds.

Measured, kube-proxy 1.36.2 and iptables 1.8.9: after the change to nftables the chains
KUBE-MARK-MASQ and KUBE-PROXY-FIREWALL may stay ("CHAIN_DEL failed (Device or resource busy)").
"""

from __future__ import annotations

from nftwave.lab.kernel.nftables import Chain, Hook, Rule, Table

XT: tuple[dict[str, None], ...] = ({"xt": None},)
FILTER_HOOKS = (
    ("INPUT", Hook("filter", "input", "filter", 0)),
    ("FORWARD", Hook("filter", "forward", "filter", 0)),
    ("OUTPUT", Hook("filter", "output", "filter", 0)),
)
NAT_HOOKS = (
    ("OUTPUT", Hook("nat", "output", "-100", -100)),
    ("PREROUTING", Hook("nat", "prerouting", "dstnat", -100)),
    ("POSTROUTING", Hook("nat", "postrouting", "srcnat", 100)),
)
IPVS_FILTER = (
    "KUBE-FORWARD",
    "KUBE-NODE-PORT",
    "KUBE-PROXY-FIREWALL",
    "KUBE-SOURCE-RANGES-FIREWALL",
    "KUBE-IPVS-FILTER",
    "KUBE-IPVS-OUT-FILTER",
)
IPVS_NAT = (
    "KUBE-SERVICES",
    "KUBE-POSTROUTING",
    "KUBE-NODE-PORT",
    "KUBE-LOAD-BALANCER",
    "KUBE-MARK-MASQ",
)
LEFT_BEHIND = frozenset({"KUBE-MARK-MASQ", "KUBE-PROXY-FIREWALL"})
JUMPS = {
    "INPUT": ("KUBE-IPVS-FILTER", "KUBE-PROXY-FIREWALL", "KUBE-NODE-PORT"),
    "FORWARD": ("KUBE-PROXY-FIREWALL", "KUBE-FORWARD"),
    "OUTPUT": ("KUBE-IPVS-OUT-FILTER", "KUBE-SERVICES"),
    "PREROUTING": ("KUBE-SERVICES",),
    "POSTROUTING": ("KUBE-POSTROUTING",),
}


def base_tables(*, ipvs: bool, left_behind: bool) -> list[Table]:
    """The tables mangle, filter and nat of both families."""
    kept = None if ipvs else (LEFT_BEHIND if left_behind else frozenset())
    tables = []
    for family, name in (
        ("ip", "mangle"),
        ("ip", "filter"),
        ("ip6", "mangle"),
        ("ip", "nat"),
        ("ip6", "nat"),
        ("ip6", "filter"),
    ):
        chains = {
            "mangle": (Chain("KUBE-IPTABLES-HINT"), Chain("KUBE-KUBELET-CANARY")),
            "filter": _hooked(FILTER_HOOKS, IPVS_FILTER, kept),
            "nat": _hooked(NAT_HOOKS, IPVS_NAT, kept),
        }[name]
        tables.append(Table(family, name, chains=chains))
    return tables


def _hooked(
    hooks: tuple[tuple[str, Hook], ...], proxier: tuple[str, ...], kept: frozenset[str] | None
) -> tuple[Chain, ...]:
    """Base chains and the proxier's chains: all of them, or those of `kept`."""
    chains = [Chain("KUBE-KUBELET-CANARY")]
    for name, hook in hooks:
        jumps = JUMPS[name] if kept is None else ()
        chains.append(
            Chain(
                name,
                tuple(
                    Rule(f"counter packets 0 bytes 0 jump {target}", XT)
                    for target in jumps
                    if target in proxier
                ),
                hook,
            )
        )
    chains += [Chain(name) for name in proxier if kept is None or name in kept]
    return tuple(chains)
