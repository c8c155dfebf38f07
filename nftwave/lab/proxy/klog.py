"""The lines that kube-proxy 1.36.2 logs, in klog's format (measured)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEPRECATION = (
    "The ipvs proxier is now deprecated and may be removed in a future release. "
    "Please use 'nftables' instead."
)
NO_NFT = (
    "unable to create proxier: unable to create ipv4 proxier: could not find nftables binary: "
    r"exec: \"nft\": executable file not found in $PATH"
)
OLD_KERNEL = (
    "unable to create proxier: unable to create ipv4 proxier: "
    "kube-proxy in nftables mode requires kernel 5.13 or later"
)
CRASHED = (
    "unable to create proxier: unable to create ipv4 proxier: could not run nftables command: "
    "Error: Could not process rule: Operation not supported"
)
BEGIN = (
    ("I", "shared_informer.go:402", '"Waiting for caches to sync"'),
    ("I", "shared_informer.go:409", '"Caches are synced"'),
    ("I", "server.go:228", '"Successfully retrieved NodeIPs" NodeIPs=["{ip}"]'),
    ("I", "sysctls.go:147", '"Setting nf_conntrack_max" nfConntrackMax=131072'),
)
ALL_ADDRESSES = (
    "E",
    "server.go:265",
    (
        '"Kube-proxy configuration may be incomplete or incorrect" '
        'err="nodePortAddresses is unset; NodePort connections will be accepted on all local IPs. '
        'Consider using `--nodeport-addresses primary`"'
    ),
)
DUAL_STACK = (
    "I",
    "server.go:274",
    '"kube-proxy running in dual-stack mode" primary ipFamily="IPv4"',
)
PROXIER = {
    "ipvs": ("I", "server_linux.go:194", '"Using ipvs Proxier"'),
    "nftables": ("I", "server_linux.go:254", '"Using nftables Proxier"'),
    "iptables": ("I", "server_linux.go:137", '"Using iptables Proxier"'),
}
IPVS_DEPRECATED = ("E", "server_linux.go:196", f'"{DEPRECATION}"')
SERVE = (
    ("I", "server.go:539", '"Version info" version="{version}"'),
    ("I", "server.go:541", '"Golang settings" GOGC="" GOMAXPROCS="" GOTRACEBACK=""'),
    ("I", "config.go:200", '"Starting service config controller"'),
    ("I", "shared_informer.go:381", '"Waiting for caches to sync" controller="service config"'),
    ("I", "config.go:106", '"Starting endpoint slice config controller"'),
    ("I", "shared_informer.go:381",
     '"Waiting for caches to sync" controller="endpoint slice config"'),
    ("I", "config.go:403", '"Starting serviceCIDR config controller"'),
    ("I", "shared_informer.go:381", '"Waiting for caches to sync" controller="serviceCIDR config"'),
    ("I", "config.go:309", '"Starting node config controller"'),
    ("I", "shared_informer.go:381", '"Waiting for caches to sync" controller="node config"'),
    ("I", "shared_informer.go:388", '"Caches are synced" controller="node config"'),
    ("I", "shared_informer.go:388", '"Caches are synced" controller="service config"'),
    ("I", "shared_informer.go:388", '"Caches are synced" controller="endpoint slice config"'),
    ("I", "shared_informer.go:388", '"Caches are synced" controller="serviceCIDR config"'),
)  # fmt: skip
NOTHING_LISTED = (
    '"Failed to list existing nftables objects" err=<\n'
    "\tfailed to run nft: Error: No such file or directory\n"
    "\tlist table {family} kube-proxy\n"
    '\t{mark:>{column}}\n > ipFamily="{name}"'
)
# nft marks the table's name, which stands behind "list table ip ".
FIRST_SYNC = {
    family: (
        "E",
        "proxier.go:1169",
        NOTHING_LISTED.format(family=family, mark="^" * 10, column=column, name=name),
    )
    for family, column, name in (("ip", 24, "IPv4"), ("ip6", 25, "IPv6"))
}
NOT_RESTORED = (
    '"Failed to execute iptables-restore" err=<\n'
    "\texit status 4: iptables-restore v1.8.9 (nf_tables): \n"
    "\tline {line}: CHAIN_DEL failed (Device or resource busy): chain {chain}\n"
    ' > table="{table}"'
)
LEFT_BEHIND = tuple(
    ("E", place, NOT_RESTORED.format(line=line, chain=chain, table=table))
    for place, line, chain, table in (
        ("cleanup.go:89", 7, "KUBE-MARK-MASQ", "nat"),
        ("cleanup.go:116", 5, "KUBE-PROXY-FIREWALL", "filter"),
    )
)
Line = tuple[str, str, str]


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


class Log:
    """What one container printed, and the clock that it stamps its lines with."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = now
        self._lines: list[str] = []

    def add(self, *lines: Line, **values: str) -> None:
        """Log lines now."""
        stamp = self.clock().strftime("%m%d %H:%M:%S.%f")
        for severity, place, message in lines:
            text = message
            for name, value in values.items():
                text = text.replace(f"{{{name}}}", value)
            self._lines.append(f"{severity}{stamp}       1 {place}] {text}\n")

    def die(self, message: str) -> None:
        """Log why kube-proxy ends."""
        self.add(
            ("E", "server.go:136", f'"Error running ProxyServer" err="{message}"'),
            ("E", "run.go:72", f'"command failed" err="{message}"'),
        )

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self._lines)
