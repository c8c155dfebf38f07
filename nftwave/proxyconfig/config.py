"""What a KubeProxyConfiguration says, as far as a migration away from ipvs needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from nftwave import yamlnodes
from nftwave.proxyconfig.errors import Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

API_VERSION = "kubeproxy.config.k8s.io/v1alpha1"
KIND = "KubeProxyConfiguration"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Masquerade:
    """Source NAT of one backend; None where the text sets nothing.

    kube-proxy's defaults are False and 14 (Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1).
    """

    all: bool | None
    bit: int | None


@dataclass(frozen=True, slots=True)
class Ipvs:
    """The ipvs block; timeouts as written (`0s` and none mean the kernel's own)."""

    scheduler: str
    strict_arp: bool
    exclude_cidrs: tuple[str, ...]
    tcp_timeout: str
    tcp_fin_timeout: str
    udp_timeout: str


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """A KubeProxyConfiguration as written: no defaults are filled in.

    Texts are empty, tuples and mappings empty and flags False where nothing is set, unless the
    type says None.
    """

    api_version: str
    mode: str
    ipvs: Ipvs
    iptables: Masquerade
    nftables: Masquerade
    node_port_addresses: tuple[str, ...]
    feature_gates: Mapping[str, bool]
    tcp_be_liberal: bool
    cluster_cidr: str
    bind_address: str
    detect_local_mode: str
    healthz_bind_address: str
    metrics_bind_address: str


@lru_cache(maxsize=32)  # a text is read again at each look at the cluster; 80 ms a time
def read(text: str) -> ProxyConfig:
    """Read the text of `config.conf`.

    Raises:
        Unreadable: not YAML, not one mapping, a duplicate key, a merge key, another apiVersion or
            kind, or a value of a type that kube-proxy does not take.
    """
    return configuration(document(text))


def document(text: str) -> yamlnodes.Document:
    """Parse the text as kube-proxy does (YAML 1.1) and make sure that it is one mapping."""
    try:
        found = yamlnodes.read(text.removeprefix("\ufeff"), version=(1, 1))
    except yamlnodes.Malformed as error:
        raise Unreadable(error.reason, line=error.line) from error
    if not isinstance(found.value, dict):
        what = "nothing in it" if found.value is None else "not a mapping of fields"
        raise Unreadable(what, line=1)
    return found


def configuration(found: yamlnodes.Document) -> ProxyConfig:
    """The configuration in a parsed text; raises Unreadable as `read` does."""
    fields = _Fields(found)
    api_version, kind = fields.text("apiVersion"), fields.text("kind")
    if (api_version, kind) != (API_VERSION, KIND):
        what = f'found "{kind}" of "{api_version}"; only {KIND} of {API_VERSION} is known'
        raise Unreadable(what, line=found.lines.get(("apiVersion",), 1))
    return ProxyConfig(
        api_version=api_version,
        mode=fields.text("mode"),
        ipvs=_ipvs(fields),
        iptables=_masquerade(fields, "iptables"),
        nftables=_masquerade(fields, "nftables"),
        node_port_addresses=fields.texts("nodePortAddresses"),
        feature_gates=fields.flags("featureGates"),
        tcp_be_liberal=fields.flag("conntrack", "tcpBeLiberal") or False,
        cluster_cidr=fields.text("clusterCIDR"),
        bind_address=fields.text("bindAddress"),
        detect_local_mode=fields.text("detectLocalMode"),
        healthz_bind_address=fields.text("healthzBindAddress"),
        metrics_bind_address=fields.text("metricsBindAddress"),
    )


def _ipvs(fields: _Fields) -> Ipvs:
    return Ipvs(
        scheduler=fields.text("ipvs", "scheduler"),
        strict_arp=fields.flag("ipvs", "strictARP") or False,
        exclude_cidrs=fields.texts("ipvs", "excludeCIDRs"),
        tcp_timeout=fields.text("ipvs", "tcpTimeout"),
        tcp_fin_timeout=fields.text("ipvs", "tcpFinTimeout"),
        udp_timeout=fields.text("ipvs", "udpTimeout"),
    )


def _masquerade(fields: _Fields, block: str) -> Masquerade:
    bit = fields.typed((block, "masqueradeBit"), int, "a whole number")
    return Masquerade(fields.flag(block, "masqueradeAll"), bit)


class _Fields:
    """Values by path, each of the type that the field has; null and absent are None."""

    def __init__(self, found: yamlnodes.Document) -> None:
        self._found = found

    def typed(self, path: tuple[str, ...], kind: type[T], name: str) -> T | None:
        value: Any = self._found.value
        for depth, key in enumerate(path):
            if value is not None and not isinstance(value, dict):
                raise self._wrong(path[:depth], "a mapping")
            value = None if value is None else value.get(key)
        if value is None:
            return None
        # bool is an int to Python, not to YAML.
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise self._wrong(path, name)
        return value

    def text(self, *path: str) -> str:
        return self.typed(path, str, "a string") or ""

    def flag(self, *path: str) -> bool | None:
        return self.typed(path, bool, "true or false")

    def texts(self, *path: str) -> tuple[str, ...]:
        found = self.typed(path, list, "a list of strings") or []
        if not all(isinstance(one, str) for one in found):
            raise self._wrong(path, "a list of strings")
        return tuple(found)

    def flags(self, *path: str) -> dict[str, bool]:
        found = self.typed(path, dict, "a mapping of names to true or false") or {}
        if not all(isinstance(one, bool) for one in found.values()):
            raise self._wrong(path, "a mapping of names to true or false")
        return dict(found)

    def _wrong(self, path: tuple[str, ...], name: str) -> Unreadable:
        line = self._found.lines.get(path)
        return Unreadable(f"is not {name}", line=line, field=".".join(path))
