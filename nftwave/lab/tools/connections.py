"""`conntrack` and `ss`: the connections that the node's kernel knows."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """`ss -t`: TCP connections of the node itself; -H, and filters `state`, `dst`, `dport`."""
    letters = {letter for word in call.args if re.fullmatch("-[a-zA-Z]+", word) for letter in word}
    words = [word for word in call.args if not word.startswith("-") and word != "="]
    given = dict(zip(words[::2], words[1::2], strict=False))
    rows = []
    for flow in kernel.flows:
        (source, port), (address, to_port) = flow.source, flow.destination
        peer = given.get("dst", address).rpartition("/")[0] or given.get("dst", address)
        fits = peer in {address, f"{address}:{to_port}"}
        fits = fits and given.get("dport", f":{to_port}") == f":{to_port}"
        if fits and given.get("state", "established") in {"established", "connected", "all"}:
            rows.append(("ESTAB", "0", "0", f"{source}:{port}", f"{address}:{to_port}"))
    if "H" not in letters:
        await call.out(SS_HEAD + "\n")
    await call.out("".join(" ".join(row) + "\n" for row in rows if "l" not in letters))
    return 0
