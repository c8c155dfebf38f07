"""Programs that show the kernel: nft, ip, ipvsadm, conntrack, sysctl, uname, lsmod."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nftwave.lab import ipvs, nodefiles
from nftwave.lab.nftables import METAINFO, Table
from nftwave.lab.tools.text import options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nftwave.lab.kernel import Interface, Kernel
    from nftwave.lab.shell.process import Call, Tool

VERSION = "nftables v1.0.6 (Lester Gooch #5)\n"
ACCESS_DENIED = "Operation not permitted (you must be root)"


async def nft(call: Call, kernel: Kernel) -> int:
    """`nft list tables|table|map|set|chain|ruleset`, with -j, -a, -n."""
    flags = {word for word in call.args if word.startswith("-")}
    words = [word for word in call.args if not word.startswith("-")]
    if flags & {"-v", "--version"}:
        await call.out(VERSION)
        return 0
    if not call.root:
        await call.stderr.write(f"{ACCESS_DENIED}\nError: {ACCESS_DENIED}\n")
        return 1
    as_json = bool(flags & {"-j", "--json"} or any(
        word[1] != "-" and "j" in word for word in flags if len(word) > 1))  # fmt: skip
    shown = _listing(kernel, words, as_json=as_json)
    if shown is None:
        await call.stderr.write(_no_such(kernel, words))
        return 1
    await call.out(shown)
    return 0


def _listing(kernel: Kernel, words: list[str], *, as_json: bool) -> str | None:
    """What `nft list …` prints; None if there is no such object."""
    tables = [replace(one, handle=handle) for handle, one in enumerate(kernel.tables(), 1)]
    match words:
        case ["list", "tables", *family]:
            chosen = [one for one in tables if not family or one.family == family[0]]
            entries = [one.json_name() for one in chosen]
            text = "".join(f"table {one.key}\n" for one in chosen)
        case ["list", "ruleset", *family]:
            chosen = [one for one in tables if not family or one.family == family[0]]
            entries = [entry for one in chosen for entry in one.json()]
            text = "".join(one.text() for one in chosen)
        case ["list", "table", family, name]:
            found = [one for one in tables if one.key == f"{family} {name}"]
            if not found:
                return None
            entries, text = found[0].json(), found[0].text()
        case ["list", "map" | "set" | "chain" as kind, family, name, inner]:
            found = [one for one in tables if one.key == f"{family} {name}"]
            return _part(found[0], kind, inner, as_json=as_json) if found else None
        case _:
            return None
    return _json(entries) if as_json else text


def _part(table: Table, kind: str, name: str, *, as_json: bool) -> str | None:
    """A table with only one set, map or chain."""
    collections = tuple(one for one in table.collections
                        if kind == ("map" if one.is_map else "set") and one.name == name)  # fmt: skip
    chains = tuple(one for one in table.chains if kind == "chain" and one.name == name)
    if not collections and not chains:
        return None
    part = Table(table.family, table.name, collections, chains, handle=table.handle)
    return _json(part.json()[1:]) if as_json else part.text()


def _json(entries: list[dict[str, Any]]) -> str:
    return json.dumps({"nftables": [METAINFO, *entries]}) + "\n"


def _no_such(kernel: Kernel, words: list[str]) -> str:
    """Nft's message: the command, and a mark under the name that is not there (measured, 1.0.6)."""
    line = " ".join(words)
    if words[:1] != ["list"] or len(words) not in {4, 5}:
        return f"Error: syntax error, unexpected string\n{line}\n^\n"
    has_table = f"{words[2]} {words[3]}" in kernel.table_names()
    named = words[4] if has_table else words[3]
    return (f"Error: No such file or directory\n{line}\n"
            f"{' ' * line.find(f' {named}')} {'^' * len(named)}\n")  # fmt: skip


async def ip(call: Call, kernel: Kernel) -> int:
    """`ip [-j] addr|link show [dev] [NAME]`."""
    as_json = any(word.startswith(("-j", "-json")) for word in call.args)
    words = [word for word in call.args if not word.startswith("-") and word not in {"show", "dev"}]
    what, names = (words or ["link"])[0], words[1:]
    if not ("addr".startswith(what) or "address".startswith(what) or "link".startswith(what)):
        await call.stderr.write(f'Object "{what}" is unknown, try "ip help".\n')
        return 1
    chosen = [one for one in kernel.interfaces() if not names or one.name in names]
    if not chosen:
        await call.stderr.write(f'Device "{names[0]}" does not exist.\n')
        return 1
    with_addresses = what.startswith("a")
    if as_json:
        shown = [_json_interface(kernel, one, with_addresses=with_addresses) for one in chosen]
        await call.out(json.dumps(shown, separators=(",", ":")) + "\n")
    else:
        await call.out("".join(_text_interface(kernel, one, with_addresses=with_addresses)
                               for one in chosen))  # fmt: skip
    return 0


def _json_interface(kernel: Kernel, one: Interface, *, with_addresses: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ifindex": one.index, "ifname": one.name, "flags": list(one.flags), "mtu": 1500,
        "qdisc": one.qdisc, "operstate": one.state, "group": "default", "link_type": "ether",
        "address": one.address, "broadcast": "ff:ff:ff:ff:ff:ff",
    }  # fmt: skip
    if with_addresses:
        shown["addr_info"] = [
            {"family": "inet", "local": address, "prefixlen": length, "scope": "global",
             "label": one.name, "valid_life_time": 4294967295,
             "preferred_life_time": 4294967295}
            for address, length in kernel.addresses(one)
        ]  # fmt: skip
    return shown


def _text_interface(kernel: Kernel, one: Interface, *, with_addresses: bool) -> str:
    mode = "" if with_addresses else "mode DEFAULT "
    lines = [
        f"{one.index}: {one.name}: <{','.join(one.flags)}> mtu 1500 qdisc {one.qdisc} "
        f"state {one.state} {mode}group default \n",
        f"    link/{'loopback' if one.name == 'lo' else 'ether'} {one.address} "
        "brd ff:ff:ff:ff:ff:ff\n",
    ]
    if with_addresses:
        for address, length in kernel.addresses(one):
            lines.append(f"    inet {address}/{length} scope global {one.name}\n")
            lines.append("       valid_lft forever preferred_lft forever\n")
    return "".join(lines)


async def ipvsadm(call: Call, kernel: Kernel) -> int:
    """`ipvsadm -Ln`."""
    if not call.root:
        await call.stderr.write("Can't initialize ipvs: Permission denied (you must be root)\n")
        return 255
    flags, _ = options(call.args, "")
    if "L" in flags or "l" in flags or not call.args:
        await call.out(ipvs.show_ipvsadm(kernel.virtual_servers(), kernel.connections))
        return 0
    return await call.error("only the list command is there", 2)


async def conntrack(call: Call, kernel: Kernel) -> int:
    """`conntrack -C` and `-L` for the connections that are known one by one."""
    if not call.root:
        await call.stderr.write(
            "conntrack v1.4.7 (conntrack-tools): Operation failed: Operation not permitted\n"
        )
        return 1
    if "-C" in call.args:
        await call.out(f"{kernel.conntrack_count()}\n")
        return 0
    for one in kernel.connections:
        await call.out(
            f"tcp      6 {one.expires} {one.state} src={one.client} dst={one.address} "
            f"sport={one.client_port} dport={one.port} src={one.backend} dst={one.client} "
            f"sport={one.backend_port} dport={one.client_port} [ASSURED] mark=0 use=1\n"
        )
    return 0


async def sysctl(call: Call, kernel: Kernel) -> int:
    """`sysctl -a`, `sysctl [-n] NAME…`."""
    flags, names = options(call.args, "")
    settings = nodefiles.sysctls(kernel)
    status = 0
    for name in names or settings:
        dotted = name.replace("/", ".")
        if dotted in settings:
            value = settings[dotted]
            await call.out(f"{value}\n" if "n" in flags else f"{dotted} = {value}\n")
        else:
            path = dotted.replace(".", "/")
            status = await call.error(
                f"cannot stat /proc/sys/{path}: No such file or directory", 255
            )
    return status


async def uname(call: Call, kernel: Kernel) -> int:
    """`uname`: -s -n -r -v -m -a."""
    flags, _ = options(call.args, "")
    known = {"s": "Linux", "n": kernel.node_name, "r": kernel.release,
             "v": "#1 SMP PREEMPT_DYNAMIC Debian", "m": "x86_64", "o": "GNU/Linux"}  # fmt: skip
    chosen = [value for letter, value in known.items() if letter in flags or "a" in flags]
    await call.out(" ".join(chosen or ["Linux"]) + "\n")
    return 0


async def lsmod(call: Call, kernel: Kernel) -> int:
    """`lsmod`."""
    await call.out(f"{'Module':<24}{'Size':>6}  Used by\n")
    for line in nodefiles.shown(kernel)["/proc/modules"]().splitlines():
        name, size, users, by, *_ = line.split()
        await call.out(f"{name:<20}{size:>10}  {users} {by.strip(',-')}\n")
    return 0


KERNEL_TOOLS: dict[str, Callable[[Call, Kernel], Awaitable[int]]] = {
    "conntrack": conntrack, "ip": ip, "ipvsadm": ipvsadm, "lsmod": lsmod, "nft": nft,
    "sysctl": sysctl, "uname": uname,
}  # fmt: skip


def bound(kernel: Kernel, tool: Callable[[Call, Kernel], Awaitable[int]]) -> Tool:
    """The program for one node."""
    return lambda call: tool(call, kernel)
