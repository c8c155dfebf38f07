"""`conntrack` and `ss`: the connections that the node's kernel knows."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from nftwave.lab.tools.listeners import listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.kernel.ipvs import Connection
    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.shell.process import Call

TOOL_VERSION = "conntrack v1.4.7 (conntrack-tools)"
# conntrack(8), filters; the first of a name in a row is that of the original direction.
FILTERS = {
    "-s": "src",
    "--src": "src",
    "--orig-src": "src",
    "-d": "dst",
    "--dst": "dst",
    "--orig-dst": "dst",
    "--sport": "sport",
    "--orig-port-src": "sport",
    "--dport": "dport",
    "--orig-port-dst": "dport",
}
SS_HEAD = "State Recv-Q Send-Q Local Address:Port Peer Address:Port Process"


async def conntrack(call: Call, kernel: Kernel) -> int:
    """`conntrack -C`, and `-L` with -p, --state, -s, -d, --sport, --dport."""
    if not call.root:
        await call.stderr.write(f"{TOOL_VERSION}: Operation failed: Operation not permitted\n")
        return 1
    if {"-V", "--version"} & set(call.args):
        await call.out(f"{TOOL_VERSION}\n")
        return 0
    if {"-C", "--count"} & set(call.args):
        await call.out(f"{kernel.conntrack_count()}\n")
        return 0
    rows = [_of_pod(one) for one in kernel.connections]
    rows += [flow.in_conntrack() for flow in kernel.flows if not flow.cut]
    shown = [row for row in rows if _wanted(row, call.args)]
    await call.out("".join(shown))
    await call.stderr.write(f"{TOOL_VERSION}: {len(shown)} flow entries have been shown.\n")
    return 0


def _of_pod(one: Connection) -> str:
    return (
        f"tcp      6 {one.expires} {one.state} src={one.client} dst={one.address} "
        f"sport={one.client_port} dport={one.port} src={one.backend} dst={one.client} "
        f"sport={one.backend_port} dport={one.client_port} [ASSURED] mark=0 use=1\n"
    )


def _wanted(row: str, args: list[str]) -> bool:
    given = dict(itertools.pairwise(args))
    protocol, _, _, state = row.split()[:4]
    if given.get("-p", given.get("--proto", protocol)) != protocol:
        return False
    if given.get("--state", state) != state:
        return False
    for option, name in FILTERS.items():
        found = re.search(rf" {name}=(\S+)", row)
        if option in given and (found is None or found[1] != given[option]):
            return False
    return True


async def ss(call: Call, kernel: Kernel) -> int:
    """`ss -t`: TCP connections of the node itself, or with -l who listens.

    Also -p, -H, and the filters `state`, `dst` and `dport`.
    """
    letters = {letter for word in call.args if re.fullmatch("-[a-zA-Z]+", word) for letter in word}
    if "H" not in letters:
        await call.out(SS_HEAD + "\n")
    rows = _listening(call, letters) if "l" in letters else _open(call, kernel)
    await call.out("".join(" ".join(row).rstrip() + "\n" for row in rows))
    return 0


def _listening(call: Call, letters: set[str]) -> Iterator[tuple[str, ...]]:
    for one in listeners(call.machine.files, root=call.root):
        anybody = "*" if one.address == "*" else "0.0.0.0"  # noqa: S104  shown, not bound
        holder = one.holder if "p" in letters else ""
        yield ("LISTEN", "0", "4096", f"{one.address}:{one.port}", f"{anybody}:*", holder)


def _open(call: Call, kernel: Kernel) -> Iterator[tuple[str, ...]]:
    words = [word for word in call.args if not word.startswith("-") and word != "="]
    given = dict(zip(words[::2], words[1::2], strict=False))
    if given.get("state", "established") not in {"established", "connected", "all"}:
        return
    for flow in kernel.flows:
        (source, port), (address, to_port) = flow.source, flow.destination
        peers = {None, address, f"{address}:{to_port}"}
        if given.get("dst") in peers and given.get("dport") in {None, f":{to_port}"}:
            yield ("ESTAB", "0", "0", f"{source}:{port}", f"{address}:{to_port}")
