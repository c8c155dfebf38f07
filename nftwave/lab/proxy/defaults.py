"""What kube-proxy fills in where its file leaves it open (measured, /configz of 1.36.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nftwave.lab.proxy.config import Config

ANY = "0.0.0.0"  # noqa: S104  shown, not bound
DEFAULTS: dict[str, Any] = {
    "kind": "KubeProxyConfiguration",
    "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
    "clientConnection": {
        "kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf",
        "acceptContentTypes": "",
        "contentType": "application/vnd.kubernetes.protobuf",
        "qps": 5,
        "burst": 10,
    },
    "logging": {
        "format": "text",
        "flushFrequency": "5s",
        "verbosity": 0,
        "options": {"text": {"infoBufferSize": "0"}, "json": {"infoBufferSize": "0"}},
    },
    "hostnameOverride": "",
    "bindAddress": ANY,
    "healthzBindAddress": f"{ANY}:10256",
    "metricsBindAddress": "127.0.0.1:10249",
    "bindAddressHardFail": False,
    "enableProfiling": False,
    "showHiddenMetricsForVersion": "",
    "mode": "iptables",
    "iptables": {
        "masqueradeBit": 14,
        "masqueradeAll": False,
        "localhostNodePorts": True,
        "syncPeriod": "0s",
        "minSyncPeriod": "0s",
    },
    "ipvs": {
        "syncPeriod": "0s",
        "minSyncPeriod": "0s",
        "scheduler": "",
        "excludeCIDRs": None,
        "strictARP": False,
        "tcpTimeout": "0s",
        "tcpFinTimeout": "0s",
        "udpTimeout": "0s",
    },
    "nftables": {
        "masqueradeBit": 14,
        "masqueradeAll": False,
        "syncPeriod": "0s",
        "minSyncPeriod": "0s",
    },
    "winkernel": {
        "networkName": "",
        "sourceVip": "",
        "enableDSR": False,
        "rootHnsEndpointName": "",
        "forwardHealthCheckVip": False,
    },
    "detectLocalMode": "ClusterCIDR",
    "detectLocal": {"bridgeInterface": "", "interfaceNamePrefix": ""},
    "clusterCIDR": "",
    "nodePortAddresses": None,
    "oomScoreAdj": -999,
    "conntrack": {
        "maxPerCore": 32768,
        "min": 131072,
        "tcpEstablishedTimeout": "24h0m0s",
        "tcpCloseWaitTimeout": "1h0m0s",
        "tcpBeLiberal": False,
        "udpTimeout": "0s",
        "udpStreamTimeout": "0s",
    },
    "configSyncPeriod": "15m0s",
    "portRange": "",
}
# Only the proxier that runs gets its own periods.
PERIODS = {
    "iptables": {"syncPeriod": "30s", "minSyncPeriod": "1s"},
    "ipvs": {"syncPeriod": "30s"},
    "nftables": {"syncPeriod": "30s", "minSyncPeriod": "1s"},
}


def completed(config: Config, node_name: str) -> dict[str, Any]:
    """The whole configuration as kube-proxy on that node uses it."""
    found = _filled(DEFAULTS, config.document)
    running = {
        key: value for key, value in PERIODS[config.mode].items() if found[config.mode][key] == "0s"
    }
    found[config.mode] = found[config.mode] | running
    found |= {"mode": config.mode, "hostnameOverride": node_name}
    if config.mode == "nftables":
        found["nodePortAddresses"] = found["nodePortAddresses"] or ["primary"]
    return found


def _filled(defaults: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """What is given where it says something, else the default."""
    found: dict[str, Any] = {}
    for key, default in defaults.items():
        value = given.get(key)
        if isinstance(default, dict):
            found[key] = _filled(default, value or {})
        else:
            says_nothing = value in {None, "", "0s"} if not isinstance(value, list) else not value
            found[key] = default if says_nothing or (value == 0 and default) else value
    return found
