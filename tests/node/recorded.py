"""The recordings of real nodes, as answers of the probe."""

from pathlib import Path

RECORDINGS = Path(__file__).parent.parent / "recordings" / "node"
MARK = "@@test"
STATES = ("ipvs", "nftables", "nftables-no-nft")

BLOCKS = {
    "kernel": "uname.txt",
    "os": "os-release.txt",
    "nft": "nft-version.txt",
    "tables": "nft-list-tables.txt",
    "service-ips.ip": "nft-json-service-ips.txt",
    "virtual_servers": "proc-net-ip_vs.txt",
    "ipvs_interface": "ip-json-addr-kube-ipvs0.txt",
    "proxy_mode": "proxyMode.txt",
    "metrics": "metrics.txt",
    "health": "healthz.txt",
}


def output(state: str, file: str) -> tuple[str, int]:
    """What the recorded command printed, and its exit status."""
    text = (RECORDINGS / state / file).read_text()
    body = text.partition("\n")[2]
    printed, _, status = body.rpartition("# exit status: ")
    return printed, int(status)


def block(name: str, text: str, status: str | int = 0) -> str:
    return f"{MARK} begin {name}\n{text}\n{MARK} end {name} {status}\n"


def answer(state: str, **instead: tuple[str, int]) -> bytes:
    """The probe's answer on a node in that state; `instead` replaces blocks."""
    found = {name: output(state, file) for name, file in BLOCKS.items()} | instead
    return "".join(block(name, *printed) for name, printed in found.items()).encode()
