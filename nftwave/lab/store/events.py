"""Events, as kubelet, scheduler and controllers record them (recorded shapes, 1.36.2)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nftwave.lab.machinery.objects import timestamp

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.store import Store


class Recorder:
    """Records events of one component; a repeated one is counted up."""

    def __init__(self, store: Store, component: str, host: str = "") -> None:
        self._store = store
        self._component = component
        self._host = host
        self._names: dict[tuple[str, str, str], tuple[str, str]] = {}

    def record(
        self, about: Object, reason: str, message: str, *, warning: bool = False, path: str = ""
    ) -> None:
        """Record an event about an object; `path` is the field of it that is meant."""
        key = (about["metadata"].get("uid", ""), reason, message)
        namespace, name = self._names.get(key, ("", ""))
        known = self._store.get("events", namespace, name) if name else None
        if known:
            count = known["count"] + 1
            self._store.update(
                "events",
                {**known, "count": count, "lastTimestamp": timestamp()},
                manager=self._component,
            )
            return
        event = self._event(about, reason, message, warning=warning, path=path)
        created = self._store.create("events", event, manager=self._component)["metadata"]
        self._names[key] = (created["namespace"], created["name"])

    def _event(
        self, about: Object, reason: str, message: str, *, warning: bool, path: str
    ) -> Object:
        metadata = about["metadata"]
        now = timestamp()
        involved = {
            "kind": about["kind"],
            "namespace": metadata.get("namespace"),
            "name": metadata["name"],
            "uid": metadata.get("uid"),
            "apiVersion": about["apiVersion"],
            "resourceVersion": metadata.get("resourceVersion"),
            "fieldPath": path,
        }
        source = {"component": self._component, "host": self._host}
        return {
            "metadata": {
                "name": f"{metadata['name']}.{time.time_ns():x}",
                "namespace": metadata.get("namespace") or "default",
            },
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "source": {key: value for key, value in source.items() if value},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": "Warning" if warning else "Normal",
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def record_new_style(self, about: Object, reason: str, message: str, action: str) -> None:
        """Record as events.k8s.io does: kube-proxy and the scheduler."""
        event = self._event(about, reason, message, warning=reason == "IPVSDeprecation", path="")
        moment = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        event |= {
            "action": action,
            "eventTime": moment,
            "firstTimestamp": None,
            "lastTimestamp": None,
            "source": {},
        }
        del event["count"]
        self._store.create("events", event, manager=self._component)
