"""From the probe's answer to `NodeFacts`.

Pure, and never raises: what cannot be read is Unknown, with the reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from nftwave.node import ipvs, kubeproxy, nftables
from nftwave.node.facts import Attempt, Family, NodeFacts, ServicePort, Unknown
from nftwave.node.frames import Block, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
FAMILIES: tuple[Family, Family] = ("ip", "ip6")
_LAST_SYNC = "kubeproxy_sync_proxy_rules_last_timestamp_seconds"
_LAST_QUEUED = "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds"
_FAILURES = "kubeproxy_sync_proxy_rules_nftables_sync_failures_total"
_METRICS = "curl -s http://127.0.0.1:10249/metrics"
UNITS = ("firewalld", "nftables.service")
_MISSING = Unknown("the probe's answer does not hold it: it was cut off, or the probe did not run")
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)

COMMANDS: Mapping[str, str] = {
    "clock": "date +%s",
    "uid": "id -u",
    "kernel": "uname -r",
    "os": "cat /etc/os-release",
    "nft": "nft --version",
    "proxy_nft": "kubectl -n kube-system exec POD -- nft --version",
    "tables": "nft list tables",
    "service_ips": "nft list map ip kube-proxy service-ips",
    "no_endpoints": "nft list map ip kube-proxy no-endpoint-services",
    "virtual_servers": "cat /proc/net/ip_vs",
    "ipvs_connections": "cat /proc/net/ip_vs_conn",
    "established": "grep -w ESTABLISHED /proc/net/ip_vs_conn",
    "ipvs_interface": "ip addr show kube-ipvs0",
    "proxy_mode": "curl -s http://127.0.0.1:10249/proxyMode",
    "last_sync": f"{_METRICS} | grep {_LAST_SYNC}",
    "last_queued": f"{_METRICS} | grep {_LAST_QUEUED}",
    "sync_failures": f"{_METRICS} | grep {_FAILURES}",
    "process_started": f"{_METRICS} | grep process_start_time_seconds",
    "listener": "ss -ltnp | grep :10249",
    "health": "curl -s -i http://127.0.0.1:10256/healthz",
    "conntrack": "cat /proc/sys/net/netfilter/nf_conntrack_count"
    " /proc/sys/net/netfilter/nf_conntrack_max",
    "iptables_chains": "iptables-save | grep ^:KUBE-; ip6tables-save | grep ^:KUBE-",
    "answers": "timeout 2 bash -c ': </dev/tcp/10.96.0.1/443' && echo connected",
    "firewalls": "systemctl is-active firewalld nftables; grep ENABLED /etc/ufw/ufw.conf",
}


def parse(answer: bytes, *, node: str, mark: str) -> NodeFacts:
    """The facts in what the probe printed on `node`, with the frame mark it was given."""
    got = blocks(answer, mark)

    def plain(name: str, read: Callable[[str], T]) -> T | Unknown:
        block = got.get(name, _EMPTY)
        return _read(lambda: read(block.text)) if block.ok else _why(block)

    def http(name: str, read: Callable[[str, bool], T]) -> T | Unknown:
        block = got.get(name, _EMPTY)
        if block.untold:
            return _why(block)
        return _read(lambda: read(block.text, block.ok))

    tables = plain("tables", nftables.tables)
    return NodeFacts(
        node=node,
        clock=plain("clock", float),
        uid=plain("uid", int),
        kernel=plain("kernel", _one_word),
        os=plain("os", _pretty_name),
        nft=_nft(got.get("nft", _EMPTY)),
        proxy_nft=_nft(got.get("proxy_nft", _ONLY_BY_EXEC)),
        tables=tables,
        service_ips={f: _map(got, tables, f, "service-ips") for f in FAMILIES},
        no_endpoints={f: _map(got, tables, f, "no-endpoint-services") for f in FAMILIES},
        virtual_servers=_or_none_loaded(got, "virtual_servers", ipvs.virtual_servers, ()),
        ipvs_connections=_or_none_loaded(got, "ipvs_connections", ipvs.connections, {}),
        established=_or_none_loaded(got, "ipvs_connections", ipvs.established, {}),
        ipvs_interface=_interface(got.get("ipvs_interface", _EMPTY)),
        proxy_mode=http("proxy_mode", lambda text, ok: kubeproxy.proxy_mode(text, ok=ok)),
        last_sync=http("metrics", lambda t, ok: kubeproxy.samples(t, ok=ok, name=_LAST_SYNC)),
        last_queued=http("metrics", lambda t, ok: kubeproxy.samples(t, ok=ok, name=_LAST_QUEUED)),
        sync_failures=http("metrics", lambda t, ok: kubeproxy.samples(t, ok=ok, name=_FAILURES)),
        process_started=http("metrics", lambda t, ok: kubeproxy.process_started(t, ok=ok)),
        listener=plain("listener", _one_line),
        health=http("health", lambda text, ok: kubeproxy.health(text, ok=ok)),
        conntrack=plain("conntrack", _conntrack),
        iptables_chains=_chains(got.get("iptables_chains", _EMPTY)),
        answers=dict(_answers(got)),
        firewalls=_firewalls(got.get("firewalls", _EMPTY)),
        commands=COMMANDS,
    )


_EMPTY = Block("", None)
_ONLY_BY_EXEC = Block("it is in kube-proxy's image, and only access exec looks there", "1")


def _why(block: Block) -> Unknown:
    return _MISSING if block is _EMPTY else block.why()


def _read(read: Callable[[], T]) -> T | Unknown:
    try:
        return read()
    except _UNREADABLE as error:
        return Unknown(str(error) or type(error).__name__)


def _one_word(text: str) -> str:
    (word,) = text.split()
    return word


def _pretty_name(text: str) -> str:
    name, _, value = text.partition("=")
    if name != "PRETTY_NAME" or not value:
        raise ValueError("os-release has no PRETTY_NAME")
    return value.split("\n")[0].strip("\"'")


def _nft(block: Block) -> str | Unknown | None:
    if block.absent:
        return None
    return _read(lambda: nftables.version(block.text)) if block.ok else _why(block)


def _map(
    got: Mapping[str, Block],
    tables: frozenset[tuple[str, str]] | Unknown,
    family: Family,
    name: str,
) -> frozenset[ServicePort] | Unknown | None:
    if isinstance(tables, Unknown):
        return tables
    if (family, "kube-proxy") not in tables:
        return None
    block = got.get(f"{name}.{family}", _EMPTY)
    if block.status is None or block.status in ("124", "126", "127", "143"):
        return _why(block)
    return _read(lambda: nftables.keys(block.text, name, ok=block.ok))


def _or_none_loaded(
    got: Mapping[str, Block], name: str, read: Callable[[str], T], nothing: T
) -> T | Unknown:
    """No file: the module ip_vs is not loaded, and nothing is there."""
    block = got.get(name, _EMPTY)
    if block.status == "absent":
        return nothing
    return _read(lambda: read(block.text)) if block.ok else _why(block)


def _interface(block: Block) -> tuple[str, ...] | Unknown | None:
    if block.untold:
        return _why(block)
    return _read(lambda: ipvs.interface(block.text, ok=block.ok))


def _firewalls(block: Block) -> frozenset[str] | Unknown:
    if block.absent:  # without systemd none of the two units runs
        return frozenset(_ufw(block.text))
    return _read(lambda: _active(block.text)) if block.ok else _why(block)


def _active(text: str) -> frozenset[str]:
    """Firewalls from one state a unit, in the order of `UNITS`, and the line of ufw.conf."""
    states = [line.strip() for line in text.split("\n") if line.strip() and "=" not in line]
    if len(states) != len(UNITS):
        raise ValueError(f"systemctl told {len(states)} states, not {len(UNITS)}")
    active = {unit for unit, state in zip(UNITS, states, strict=True) if state == "active"}
    return frozenset(active | _ufw(text))


def _ufw(text: str) -> set[str]:
    lines = (line.strip().lower().replace('"', "") for line in text.split("\n"))
    return {"ufw"} if "enabled=yes" in lines else set()


def _conntrack(text: str) -> tuple[int, int]:
    count, limit = text.split()
    if max(len(count), len(limit)) > len(str(2**64)):
        raise ValueError(f"not a number of connections: {text[:60]!r}")
    return int(count), int(limit)


def _one_line(text: str) -> str:
    return " ".join(text.split())


KUBELETS_CHAINS = frozenset(("KUBE-FIREWALL", "KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"))
"""Chains that the kubelet makes for itself (recorded, kubelet 1.36.2)."""
_CHAIN = re.compile(r"^:(KUBE-\S+)", re.MULTILINE)


def _chains(block: Block) -> frozenset[str] | Unknown:
    return frozenset(_CHAIN.findall(block.text)) - KUBELETS_CHAINS if block.ok else _why(block)


def _answers(got: Mapping[str, Block]) -> Iterator[tuple[ServicePort, Attempt | Unknown]]:
    """Connections that were tried; blocks `answer.ADDRESS/PORT`."""
    for name, block in got.items():
        kind, _, target = name.partition(".")
        address, _, port = target.rpartition("/")
        if kind != "answer" or not port.isdecimal() or len(port) > 5:
            continue
        tried = block.status in ("0", "1")
        attempt = Attempt(block.ok, block.last_line) if tried else block.why()
        yield ServicePort(address, "tcp", int(port)), attempt
