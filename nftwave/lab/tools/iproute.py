"""`ip addr` and `ip link` (measured, iproute2 6.1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nftwave.lab.kernel.interfaces import Interface, addresses, interfaces

if TYPE_CHECKING:
    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.shell.process import Call


async def ip(call: Call, kernel: Kernel) -> int:
    """`ip [-j] addr|link show [dev] [NAME]`."""
    as_json = any(word.startswith(("-j", "-json")) for word in call.args)
    words = [word for word in call.args if not word.startswith("-") and word not in {"show", "dev"}]
    what, names = (words or ["link"])[0], words[1:]
    if not ("addr".startswith(what) or "address".startswith(what) or "link".startswith(what)):
        await call.stderr.write(f'Object "{what}" is unknown, try "ip help".\n')
        return 1
    chosen = [one for one in interfaces(kernel) if not names or one.name in names]
    if not chosen:
        await call.stderr.write(f'Device "{names[0]}" does not exist.\n')
        return 1
    with_addresses = what.startswith("a")
    if as_json:
        shown = [_json_interface(kernel, one, with_addresses=with_addresses) for one in chosen]
        await call.out(json.dumps(shown, separators=(",", ":")) + "\n")
    else:
        await call.out(
            "".join(_text_interface(kernel, one, with_addresses=with_addresses) for one in chosen)
        )
    return 0


def _json_interface(kernel: Kernel, one: Interface, *, with_addresses: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ifindex": one.index,
        "ifname": one.name,
        "flags": list(one.flags),
        "mtu": 1500,
        "qdisc": one.qdisc,
        "operstate": one.state,
        "group": "default",
        "link_type": "ether",
        "address": one.address,
        "broadcast": "ff:ff:ff:ff:ff:ff",
    }
    if with_addresses:
        shown["addr_info"] = [
            {
                "family": "inet",
                "local": address,
                "prefixlen": length,
                "scope": "global",
                "label": one.name,
                "valid_life_time": 4294967295,
                "preferred_life_time": 4294967295,
            }
            for address, length in addresses(kernel, one)
        ]
    return shown


def _text_interface(kernel: Kernel, one: Interface, *, with_addresses: bool) -> str:
    mode = "" if with_addresses else "mode DEFAULT "
    link = "loopback" if one.name == "lo" else "ether"
    head = f"{one.index}: {one.name}: <{','.join(one.flags)}> mtu 1500 qdisc {one.qdisc} "
    lines = [
        f"{head}state {one.state} {mode}group default \n",
        f"    link/{link} {one.address} brd ff:ff:ff:ff:ff:ff\n",
    ]
    if with_addresses:
        for address, length in addresses(kernel, one):
            lines.append(f"    inet {address}/{length} scope global {one.name}\n")
            lines.append("       valid_lft forever preferred_lft forever\n")
    return "".join(lines)
