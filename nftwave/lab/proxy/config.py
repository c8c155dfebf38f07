"""What kube-proxy reads from its ConfigMap when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from nftwave.lab.kernel.proxyrules import ProxySettings

MODES = ("iptables", "ipvs", "nftables")


class BadConfig(Exception):
    """kube-proxy dies of this configuration."""


@dataclass(frozen=True, slots=True)
class Config:
    """The parts that matter here; `text` is the whole file."""

    mode: str
    scheduler: str
    settings: ProxySettings
    document: dict[str, Any]


def load(text: str) -> Config:
    """Read config.conf. Raises BadConfig with kube-proxy's words (Kubernetes 1.36 source)."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        first = str(error).splitlines()[0]
        raise BadConfig(f"failed complete: yaml: {first}") from error
    if not isinstance(document, dict) or document.get("kind") != "KubeProxyConfiguration":
        raise BadConfig('failed complete: no kind \\"KubeProxyConfiguration\\" is registered')
    mode = document.get("mode") or "iptables"
    if mode not in MODES:
        raise BadConfig(
            f'KubeProxyConfiguration.Mode: Invalid value: \\"{mode}\\": must be '
            f"{', '.join(MODES)} or blank (blank means the best-available proxy "
            "[currently iptables])"
        )
    nftables = document.get("nftables") or {}
    bit = nftables.get("masqueradeBit")
    return Config(
        mode,
        (document.get("ipvs") or {}).get("scheduler") or "rr",
        ProxySettings(
            cluster_cidr=document.get("clusterCIDR") or "",
            node_port_addresses=tuple(document.get("nodePortAddresses") or ()),
            masquerade_bit=14 if bit is None else bit,
            masquerade_all=bool(nftables.get("masqueradeAll")),
        ),
        document,
    )
