"""kube-proxy's /metrics: names and shapes as measured, kube-proxy 1.36.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUCKETS = (
    "0.001",
    "0.002",
    "0.004",
    "0.008",
    "0.016",
    "0.032",
    "0.064",
    "0.128",
    "0.256",
    "0.512",
    "1.024",
    "2.048",
    "4.096",
    "8.192",
    "16.384",
    "+Inf",
)
HELP = {
    "kubeproxy_sync_full_proxy_rules_duration_seconds": (
        "SyncProxyRules latency in seconds for full resyncs",
        "histogram",
    ),
    "kubeproxy_sync_proxy_rules_duration_seconds": (
        "SyncProxyRules latency in seconds",
        "histogram",
    ),
    "kubeproxy_sync_proxy_rules_endpoint_changes_pending": (
        "Pending proxy rules Endpoint changes",
        "gauge",
    ),
    "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds": (
        "The last time a sync of proxy rules was queued",
        "gauge",
    ),
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds": (
        "The last time proxy rules were successfully synced",
        "gauge",
    ),
    "kubeproxy_sync_proxy_rules_nftables_sync_failures_total": (
        "Cumulative proxy nftables sync failures",
        "counter",
    ),
    "kubeproxy_sync_proxy_rules_service_changes_pending": (
        "Pending proxy rules Service changes",
        "gauge",
    ),
}
DURATION = 2.5  # seconds a sync took


def metrics(mode: str, synced: Mapping[str, float], started: float, version: str) -> str:
    """The page. A family appears once it has synced, as a label of Prometheus does."""
    lines: list[str] = []
    histograms = ["kubeproxy_sync_proxy_rules_duration_seconds"]
    if mode == "nftables":
        histograms.insert(0, "kubeproxy_sync_full_proxy_rules_duration_seconds")
    for name in histograms if synced else []:
        lines += _head(name)
        for family in synced:
            lines += _histogram(name, family)
    queued = dict.fromkeys(("IPv4", "IPv6"), started + 2)
    _plain(lines, "kubeproxy_sync_proxy_rules_endpoint_changes_pending", [("", 0)])
    _plain(lines, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", _by_family(queued))
    _plain(lines, "kubeproxy_sync_proxy_rules_last_timestamp_seconds", _by_family(synced))
    _plain(lines, "kubeproxy_sync_proxy_rules_service_changes_pending", [("", 0)])
    lines.append(
        "# HELP kubernetes_build_info [ALPHA] A metric with a constant '1' value labeled "
        "by major, minor, git version, git commit, git tree state, build date, Go "
        "version, and compiler from which Kubernetes was built, and platform on which "
        "it is running.\n# TYPE kubernetes_build_info gauge\n"
    )
    major, minor = version.lstrip("v").split(".")[:2]
    lines.append(
        f'kubernetes_build_info{{git_version="{version}",major="{major}",'
        f'minor="{minor}",platform="linux/amd64"}} 1\n'
    )
    lines.append(
        "# HELP process_start_time_seconds Start time of the process since unix epoch in "
        f"seconds.\n# TYPE process_start_time_seconds gauge\n"
        f"process_start_time_seconds {_number(started)}\n"
    )
    return "".join(lines)


def _by_family(times: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(f'{{ip_family="{family}"}}', moment) for family, moment in times.items()]


def _head(name: str) -> list[str]:
    text, kind = HELP[name]
    return [f"# HELP {name} [ALPHA] {text}\n# TYPE {name} {kind}\n"]


def _plain(lines: list[str], name: str, values: Iterable[tuple[str, float]]) -> None:
    rows = [f"{name}{labels} {_number(value)}\n" for labels, value in values]
    if rows:
        lines += [*_head(name), *rows]


def _histogram(name: str, family: str) -> list[str]:
    lines = []
    for bucket in BUCKETS:
        inside = int(bucket == "+Inf" or float(bucket) >= DURATION)
        lines.append(f'{name}_bucket{{ip_family="{family}",le="{bucket}"}} {inside}\n')
    lines.append(f'{name}_sum{{ip_family="{family}"}} {DURATION}\n')
    lines.append(f'{name}_count{{ip_family="{family}"}} 1\n')
    return lines


def _number(value: float) -> str:
    """As Go's strconv.FormatFloat(…, 'g') writes times: 1.7953150314514022e+09."""
    if value < 1e6:
        return f"{value:g}"
    mantissa, exponent = f"{value:.16e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent):+03d}"
