"""What a node's /proc, /sys and /etc say (measured, Debian 12, Linux 6.1)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from nftwave.lab.kernel import ipvs
from nftwave.lab.kernel.interfaces import interfaces
from nftwave.lab.kernel.kernel import CONNTRACK_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.shell.files import Show

UP_FOR = 360000.0  # seconds that a node had been up when this machine started
OS_RELEASE = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
HOME_URL="https://www.debian.org/"
SUPPORT_URL="https://www.debian.org/support"
BUG_REPORT_URL="https://bugs.debian.org/"
"""
USERS = """root:x:0:0:root:/root:/bin/bash
lab:x:1000:1000:lab:/home/lab:/bin/bash
"""
MODULES = """nf_tables 303104 168 nft_chain_nat,nft_compat, Live 0x0000000000000000
nfnetlink 20480 3 ip_set,nft_compat,nf_tables, Live 0x0000000000000000
nf_conntrack 188416 7 xt_MASQUERADE,nf_nat,xt_conntrack, Live 0x0000000000000000
nf_defrag_ipv6 24576 1 nf_conntrack, Live 0x0000000000000000
nf_defrag_ipv4 16384 1 nf_conntrack, Live 0x0000000000000000
libcrc32c 16384 3 nf_nat,nf_tables,nf_conntrack, Live 0x0000000000000000
"""
IPVS_MODULES = """dummy 16384 0 - Live 0x0000000000000000
ip_vs_sh 16384 0 - Live 0x0000000000000000
ip_vs_wrr 16384 0 - Live 0x0000000000000000
ip_vs_rr 16384 0 - Live 0x0000000000000000
ip_vs 188416 6 ip_vs_sh,ip_vs_wrr,ip_vs_rr, Live 0x0000000000000000
"""
SYSCTLS = {
    "net.bridge.bridge-nf-call-ip6tables": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.ipv4.conf.all.arp_announce": "2",
    "net.ipv4.conf.all.arp_ignore": "1",
    "net.ipv4.conf.all.forwarding": "1",
    "net.ipv4.conf.all.route_localnet": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.arp_announce": "0",
    "net.ipv4.conf.default.arp_ignore": "0",
    "net.ipv4.ip_forward": "1",
    "net.netfilter.nf_conntrack_max": str(CONNTRACK_MAX),
    "net.netfilter.nf_conntrack_tcp_be_liberal": "0",
    "net.netfilter.nf_conntrack_tcp_loose": "1",
    "net.netfilter.nf_conntrack_tcp_timeout_established": "86400",
}
IPVS_SYSCTLS = {
    "net.ipv4.vs.conn_reuse_mode": "1",
    "net.ipv4.vs.conntrack": "1",
    "net.ipv4.vs.expire_nodest_conn": "1",
    "net.ipv4.vs.expire_quiescent_template": "1",
}
ROOT_ONLY = frozenset({"/proc/net/ip_vs_conn", "/etc/shadow"})
OF_A_PROCESS = re.compile(r"/proc/\d+/fd(/.*)?")
STATIC: Mapping[str, Show] = {
    "/etc/os-release": lambda: OS_RELEASE,
    "/etc/passwd": lambda: USERS,
    "/etc/shadow": lambda: "root:*:20000:0:99999:7:::\n",
    "/etc/hosts": lambda: "127.0.0.1\tlocalhost\n",
    "/usr/lib/os-release": lambda: OS_RELEASE,
}


def is_root_only(path: str) -> bool:
    """Whether only root may read the file or list the directory."""
    return path in ROOT_ONLY or OF_A_PROCESS.fullmatch(path) is not None


def sysctls(kernel: Kernel) -> dict[str, str]:
    """The settings that `sysctl -a` shows, by name."""
    found = dict(SYSCTLS)
    found["net.netfilter.nf_conntrack_count"] = str(kernel.conntrack_count())
    found["kernel.osrelease"] = kernel.release
    found["kernel.hostname"] = kernel.node_name
    if kernel.ipvs_loaded:
        found |= IPVS_SYSCTLS
    return dict(sorted(found.items()))


def _line(text: str) -> Show:
    return lambda: text + "\n"


def shown(kernel: Kernel) -> dict[str, Show]:
    """The files of this node and how to make their text."""
    found = dict(STATIC)
    found["/etc/hostname"] = lambda: kernel.node_name + "\n"
    found["/proc/version"] = lambda: (
        f"Linux version {kernel.release} (debian-kernel@lists.debian.org)\n"
    )
    found["/proc/uptime"] = lambda: f"{UP_FOR + time.monotonic():.2f} 700000.00\n"
    found["/proc/modules"] = lambda: MODULES + (IPVS_MODULES if kernel.ipvs_loaded else "")
    for name, value in sysctls(kernel).items():
        found["/proc/sys/" + name.replace(".", "/")] = _line(value)
    for interface in interfaces(kernel):
        base = f"/sys/class/net/{interface.name}"
        found[f"{base}/operstate"] = _line(interface.state.lower())
        found[f"{base}/address"] = _line(interface.address)
    if kernel.ipvs_loaded:
        found["/proc/net/ip_vs"] = lambda: ipvs.show_table(
            kernel.virtual_servers(), kernel.ipvs_connections()
        )
        found["/proc/net/ip_vs_conn"] = lambda: ipvs.show_connections(kernel.ipvs_connections())
    return found
