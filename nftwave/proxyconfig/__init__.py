"""Read and edit a KubeProxyConfiguration: `config.conf` of kube-proxy's ConfigMap."""

from nftwave.proxyconfig.command import overridden_by
from nftwave.proxyconfig.config import Ipvs, Masquerade, ProxyConfig, read
from nftwave.proxyconfig.edit import Change, Edit, render_diff, to_nftables
from nftwave.proxyconfig.errors import NotEditable, Unreadable
from nftwave.proxyconfig.steps import Note

__all__ = [
    "Change",
    "Edit",
    "Ipvs",
    "Masquerade",
    "NotEditable",
    "Note",
    "ProxyConfig",
    "Unreadable",
    "overridden_by",
    "read",
    "render_diff",
    "to_nftables",
]
