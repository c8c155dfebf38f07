"""Network interfaces of a node, as iproute2 shows them; kube-ipvs0 while ipvs is active."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.kernel.kernel import Kernel

BROADCAST = ("BROADCAST", "MULTICAST", "UP", "LOWER_UP")


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface."""

    index: int
    name: str
    flags: tuple[str, ...]
    address: str
    state: str = "UP"
    qdisc: str = "noqueue"


def interfaces(kernel: Kernel) -> list[Interface]:
    """All of them."""
    name = kernel.node_name
    loopback = ("LOOPBACK", "UP", "LOWER_UP")
    found = [
        Interface(1, "lo", loopback, "00:00:00:00:00:00", "UNKNOWN"),
        Interface(2, "eth0", BROADCAST, _mac(name, 2), qdisc="fq_codel"),
        Interface(3, "cni0", BROADCAST, _mac(name, 3)),
    ]
    if kernel.ipvs_active:
        flags = ("BROADCAST", "NOARP")
        found.append(Interface(8, "kube-ipvs0", flags, _mac(name, 8), "DOWN", "noop"))
    return found


def addresses(kernel: Kernel, interface: Interface) -> list[tuple[str, int]]:
    """Addresses of an interface with their prefix lengths."""
    if interface.name == "kube-ipvs0":
        served = {address for port in kernel.ports() for address in port.addresses}
        return [(address, 32) for address in sorted(served)]
    return {
        "lo": [("127.0.0.1", 8)],
        "eth0": [(kernel.node_ip, 16)],
        "cni0": [(kernel.gateway, 24)],
    }[interface.name]


def _mac(node_name: str, index: int) -> str:
    seed = zlib.crc32(f"{node_name}/{index}".encode())
    return "42:" + ":".join(f"{seed >> shift & 255:02x}" for shift in (0, 8, 16, 24)) + ":0e"
