"""What the kernel says about ipvs: `/proc/net/ip_vs`, `ip_vs_conn`, and `kube-ipvs0`.

The format is that of `net/netfilter/ipvs/ip_vs_ctl.c`, Linux 6.1: `TCP  0A600064:0050 rr`,
`TCP  [2001:0db8:…]:0050 rr`, `FWM  00000001 rr`, each followed by `  -> address:port` lines.
Readers raise ValueError (or what int, json and ipaddress raise) on anything else.
"""

from __future__ import annotations

import ipaddress
import json
import re
from functools import lru_cache

from nftwave.node.facts import ServicePort, VirtualServer

_SERVER = re.compile(r"(TCP|UDP|SCTP) +(\S+):([0-9A-F]{4}) (\S+)")
_MARK = re.compile(r"FWM +([0-9A-F]{8}) (\S+)")
_BACKEND = re.compile(r" +-> +(\S+):([0-9A-F]{4})")
_HEADER_LINES = 3
_INET = re.compile(r"^\s+inet6? ([0-9a-fA-F.:]+)", re.MULTILINE)
_NO_INTERFACE = re.compile(r"does not exist|can't find device")


def address(text: str) -> str:
    """`0A600064` or `[2001:0db8:0000:…]` as people write it; ip_vs_conn has no brackets."""
    if ":" in text:
        return str(ipaddress.IPv6Address(text.removeprefix("[").removesuffix("]")))
    if len(text) != 8:
        raise ValueError(f"not an address of /proc/net/ip_vs: {text!r}")
    return str(ipaddress.IPv4Address(int(text, 16)))


def virtual_servers(text: str) -> tuple[VirtualServer, ...]:
    """The virtual servers of `/proc/net/ip_vs`."""
    lines = text.split("\n")
    if not lines[0].startswith("IP Virtual Server version") or len(lines) < _HEADER_LINES:
        raise ValueError("this is not /proc/net/ip_vs")
    servers: list[tuple[str, list[str]]] = []
    for line in lines[_HEADER_LINES:]:
        if line.lstrip().startswith("->"):
            servers[-1][1].append(line)
        elif line.strip():
            servers.append((line, []))
    return tuple(_virtual_server(row, tuple(behind)) for row, behind in servers)


# The nodes of a cluster hold the same servers: each is kept once, not once a node.
@lru_cache(maxsize=2**16)
def _virtual_server(row: str, behind: tuple[str, ...]) -> VirtualServer:
    if server := _SERVER.match(row):
        protocol, host, port = server[1].lower(), address(server[2]), int(server[3], 16)
        scheduler = server[4]
    elif mark := _MARK.match(row):
        protocol, host, port, scheduler = "fwm", "", int(mark[1], 16), mark[2]
    else:
        raise ValueError(f"not a row of /proc/net/ip_vs: {row[:60]!r}")
    backends = tuple(_backend(line, protocol) for line in behind)
    return VirtualServer(protocol, host, port, scheduler, backends)


def _backend(line: str, protocol: str) -> ServicePort:
    found = _BACKEND.match(line)
    if not found:
        raise ValueError(f"not a row of /proc/net/ip_vs: {line[:60]!r}")
    return ServicePort(address(found[1]), protocol, int(found[2], 16))


def connections(text: str) -> dict[str, int]:
    """Connections by state, from lines `STATE COUNT` among those of `established`."""
    counted: dict[str, int] = {}
    for words in _rows(text):
        if len(words) == 2:
            counted[words[0]] = int(words[1])
    return counted


def established(text: str) -> dict[ServicePort, int]:
    """Established connections by virtual server, from lines `PROTOCOL ADDRESS PORT COUNT`.

    Address and port are as `/proc/net/ip_vs_conn` writes them: `TCP 0A600064 0050 12`.
    """
    counted: dict[ServicePort, int] = {}
    for words in _rows(text):
        if len(words) == 4:
            protocol, host, port, count = words
            counted[ServicePort(address(host), protocol.lower(), int(port, 16))] = int(count)
    return counted


def _rows(text: str) -> list[list[str]]:
    rows = [line.split() for line in text.split("\n") if line.strip()]
    for words in rows:
        if len(words) not in (2, 4):
            raise ValueError(f"not a count of connections: {' '.join(words)[:60]!r}")
    return rows


def interface(text: str, *, ok: bool) -> tuple[str, ...] | None:
    """Addresses of `ip addr show kube-ipvs0`, JSON or not; None where it does not exist."""
    if not ok:
        if _NO_INTERFACE.search(text):
            return None
        raise ValueError(text.strip().splitlines()[-1] if text.strip() else "ip said nothing")
    start = text.find("[{")
    if start < 0:
        if "kube-ipvs0" not in text:
            raise ValueError("ip did not show kube-ipvs0")
        return tuple(_INET.findall(text))
    entries = json.loads(text[start:])
    shown = [entry for entry in entries if entry.get("ifname") == "kube-ipvs0"]
    return tuple(str(info["local"]) for info in shown[0]["addr_info"] if "local" in info)
