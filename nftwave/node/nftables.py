"""What `nft` says: its version, the tables, and the keys of kube-proxy's maps."""

from __future__ import annotations

import ipaddress
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nftwave.node.facts import ServicePort

if TYPE_CHECKING:
    from collections.abc import Iterator

_VERSION = re.compile(r"nftables v(\d+(?:\.\d+)*\S*)")
_TABLE = re.compile(r"table (\S+) (\S+)")
# Elements of no-endpoint-services carry the Service's name as comment (Kubernetes 1.33 source).
_KEY = re.compile(r'([0-9a-fA-F.:]+) \. (\w+) \. (\d+)(?: comment "[^"]*")?\s+:')
# Where /etc/protocols is not installed nft prints numbers (IANA protocol numbers).
_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}


def version(text: str) -> str:
    """`1.0.6` of `nftables v1.0.6 (Lester Gooch #5)`."""
    if found := _VERSION.search(text):
        return found[1]
    raise ValueError(f"not a version of nft: {text[:60]!r}")


def tables(text: str) -> frozenset[tuple[str, str]]:
    """(family, name) of each line of `nft list tables`; nft's `#` warnings are left out."""
    found = set()
    for line in text.split("\n"):
        if not line.strip() or line.startswith("#"):
            continue
        if not (row := _TABLE.fullmatch(line.strip())):
            raise ValueError(f"not a line of nft list tables: {line[:60]!r}")
        found.add((row[1], row[2]))
    return frozenset(found)


def keys(text: str, name: str, *, ok: bool) -> frozenset[ServicePort] | None:
    """Keys of a map, from `nft [-j] list map FAMILY kube-proxy NAME`; None: no such map."""
    if not ok:
        if "No such file or directory" in text:
            return None
        raise ValueError(next((line for line in text.splitlines() if line.strip()), "no output"))
    start = text.find('{"nftables"')
    if start >= 0:
        return frozenset(_json_keys(json.loads(text[start:])["nftables"]))
    if f"map {name}" not in text:
        raise ValueError(f"nft did not show the map {name}")
    return frozenset(_key(*found) for found in _KEY.findall(text))


def _json_keys(objects: list[dict[str, Any]]) -> Iterator[ServicePort]:
    shown = [entry["map"] for entry in objects if "map" in entry]
    for key, _verdict in shown[0].get("elem", []):
        # An element with a comment or a counter is wrapped: {"elem": {"val": …}}.
        plain = key["elem"]["val"] if "elem" in key else key
        yield _key(*plain["concat"])


# The same keys come from every node: with 10,000 Services reading them is most of the work.
@lru_cache(maxsize=2**17)
def _key(address: str, protocol: str | int, port: str | int) -> ServicePort:
    name = str(protocol)
    return ServicePort(
        str(ipaddress.ip_address(address)), _PROTOCOLS.get(name, name.lower()), int(port)
    )
