"""What `kubectl get events` says of an event.

Source: Kubernetes 1.36, pkg/printers/internalversion/printers.go (printEvent).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.printers.durations import age

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object


def involved(event: Object) -> str:
    """`pod/kube-proxy-xgzxq`: what it is about."""
    about = event["involvedObject"]
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def source(event: Object) -> str:
    """`kubelet, node1`: who reported it."""
    sender = event.get("source", {})
    component = sender.get("component") or event.get("reportingComponent", "")
    return ", ".join(part for part in (component, sender.get("host")) if part)


def last_seen(event: Object) -> str:
    """How long ago it happened last."""
    return age(event.get("lastTimestamp") or event.get("eventTime"))


def first_seen(event: Object) -> str:
    """How long ago it happened first."""
    return age(event.get("firstTimestamp") or event.get("eventTime"))
