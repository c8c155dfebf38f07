"""The EndpointSlice controller: the endpoints of a Service are the pods that it selects.

Only for Services that have a slice of this controller, which all of the lab's own have; a slice
that somebody made by hand is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.cluster.following import MANAGER
from nftwave.lab.kernel.services import ENDPOINTS, SERVICES
from nftwave.lab.machinery.objects import key_of
from nftwave.lab.manifests.services import MANAGED, SERVICE, endpoint, targets

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store


class Endpoints:
    """Keeps the slices of one cluster in line with its pods."""

    follows = ("pods", SERVICES, ENDPOINTS)

    def __init__(self, store: Store) -> None:
        self._store = store

    def concerns(self, event: Event) -> bool:
        """Not pods on their node's network: none of them stands behind a Service here."""
        return not event.version.obj.get("spec", {}).get("hostNetwork")

    def look(self) -> None:
        """Write each slice whose endpoints are not those of now."""
        for one in self._store.list(ENDPOINTS):
            labels = one["metadata"].get("labels", {})
            namespace, _ = key_of(one)
            service = self._store.get(SERVICES, namespace, labels.get(SERVICE, ""))
            selector = service["spec"].get("selector") if service else None
            if service is None or not selector or labels.items().isdisjoint(MANAGED.items()):
                continue
            endpoints = [
                endpoint(pod)
                for pod in self._store.list("pods", namespace)
                if selector.items() <= pod["metadata"].get("labels", {}).items()
                and pod.get("status", {}).get("podIP")
            ]
            if _addressed(endpoints) != _addressed(one.get("endpoints") or []):
                ports = targets(service) if endpoints else []
                changed = {**one, "endpoints": endpoints, "ports": ports}
                self._store.update(ENDPOINTS, changed, manager=MANAGER)


def _addressed(endpoints: list[Object]) -> dict[str, Object]:
    """What matters of them, in whatever order they are."""
    return {one["addresses"][0]: one["conditions"] for one in endpoints}
