"""What kube-proxy's HTTP servers answer (measured, 1.36.2)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from nftwave.lab.proxy.defaults import completed
from nftwave.lab.proxy.metrics import metrics
from nftwave.lab.tools.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.lab.proxy.config import Config
    from nftwave.lab.proxy.kubeproxy import KubeProxy

METRICS_PORT, HEALTH_PORT = 10249, 10256
ELDER = 3 * 3600.0  # how much longer the process of the fault other-process has been running
TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


def page(proxy: KubeProxy, config: Config, port: int, path: str) -> Answer | None:
    """The answer to a GET; None where nobody listens."""
    pages: dict[tuple[int, str], Callable[[], Answer]] = {
        (HEALTH_PORT, "/healthz"): lambda: _health(proxy),
        (HEALTH_PORT, "/livez"): lambda: _health(proxy),
        (METRICS_PORT, "/proxyMode"): lambda: Answer(200, TEXT, config.mode),
        (METRICS_PORT, "/healthz"): lambda: Answer(200, TEXT, "ok"),
        (METRICS_PORT, "/metrics"): lambda: _metrics(proxy, config),
        (METRICS_PORT, "/configz"): lambda: _configz(proxy, config),
    }
    found = pages.get((port, path))
    if found:
        return found()
    if port in {METRICS_PORT, HEALTH_PORT}:
        return Answer(404, TEXT, "404 page not found\n")
    return None


def _metrics(proxy: KubeProxy, config: Config) -> Answer:
    started, synced = proxy.started, proxy.synced
    if proxy.meets_elder:
        moment = time.time()
        started, synced = started - ELDER, {"IPv4": moment, "IPv6": moment}
    text = metrics(config.mode, synced, started, proxy.version)
    return Answer(200, "text/plain; version=0.0.4; charset=utf-8", text)


def _configz(proxy: KubeProxy, config: Config) -> Answer:
    document = {"kubeproxy.config.k8s.io": completed(config, proxy.node_name)}
    return Answer(200, JSON, _compact(document))


def _health(proxy: KubeProxy) -> Answer:
    families = {
        name: {"lastUpdated": _nano(proxy.synced.get(name, proxy.started)), "healthy": True}
        for name in ("IPv4", "IPv6")
    }
    now = _nano(time.time())
    document = {
        "lastUpdated": now,
        "currentTime": now,
        "nodeEligible": True,
        "healthy": True,
        "status": families,
    }
    return Answer(200, JSON, _compact(document))


def _compact(document: object) -> str:
    return json.dumps(document, separators=(",", ":"))


def _nano(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f"{moment % 1:.9f}Z"[1:]
