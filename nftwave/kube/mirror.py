"""A collection as it is now, kept by a thread: listed once, then watched.

A change is passed on as it comes, so that many can ask for the present state and the API server is
asked once. What was missed while a watch could not go on is made up by a new list.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from nftwave.kube.errors import ApiExpired, ApiUnavailable
from nftwave.kube.gateway import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.kube.gateway import Gateway, Listing
    from nftwave.kube.resources import Object, Resource

Key = tuple[str, str]
"""Namespace and name."""
TICK = 15.0
"""Seconds of one watch request: how long a thread that was stopped may still live."""

WATCHES = 2
"""Watches that fail one after the other until the collection is listed anew."""
PAUSE = 0.05
"""Seconds between two watch requests, should a server end each at once."""


class Mirror:
    """One collection, followed until it is stopped.

    Args:
        put: called with each object that is new or changed.
        remove: called with the key of each that is gone.
    """

    def __init__(
        self,
        gateway: Gateway,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        put: Callable[[Object], None],
        remove: Callable[[Key], None],
    ) -> None:
        self._gateway = gateway
        self._resource = resource
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._put = put
        self._remove = remove
        self._known: set[Key] = set()
        self._stopped = threading.Event()
        self._lost_since: float | None = None

    def start(self) -> None:
        """List it, then follow it in a thread.

        Raises:
            ApiError: the list was refused, or the API server stayed away.
        """
        version = self._take(self._list())
        threading.Thread(
            target=self._follow, args=(version,), name=self._resource.plural, daemon=True
        ).start()

    def stop(self) -> None:
        """Follow it no longer; does not wait for the thread."""
        self._stopped.set()

    @property
    def lost_for(self) -> float:
        """Seconds for which it could not be followed; 0 while it is."""
        since = self._lost_since
        return 0.0 if since is None else time.monotonic() - since

    def _list(self) -> Listing:
        return self._gateway.list(
            self._resource, self._namespace, labels=self._labels, fields=self._fields
        )

    def _take(self, listing: Listing) -> str:
        now = {_key(item) for item in listing.items}
        for key in self._known - now:
            self._remove(key)
        for item in listing.items:
            self._put(item)
        self._known = now
        return listing.resource_version

    def _follow(self, version: str) -> None:
        lost = 0
        while not self._stopped.is_set():
            try:
                if version:
                    version = self._watch(version)
                    lost = 0
                else:
                    version = self._take(self._list())
                self._lost_since = None
                self._stopped.wait(PAUSE)
            except ApiExpired:
                version = ""
            except Exception as error:  # noqa: BLE001 (a thread that dies would tell of the past for ever)
                if self._lost_since is None:
                    self._lost_since = time.monotonic()
                lost += 1
                if lost >= WATCHES:
                    # Where no watch comes about, lists do: seldom enough, by the waits below.
                    version = ""
                asked = error.retry_after if isinstance(error, ApiUnavailable) else 0
                self._stopped.wait(asked or min(0.1 * 2**lost, LONGEST_WAIT))

    def _watch(self, version: str) -> str:
        """Pass on what one watch request tells; the resourceVersion to go on from."""
        for kind, item in self._gateway.watch_once(
            self._resource,
            self._namespace,
            labels=self._labels,
            fields=self._fields,
            resource_version=version,
            seconds=TICK,
        ):
            if self._stopped.is_set():
                break
            version = item["metadata"]["resourceVersion"]
            self._lost_since = None
            if kind == "BOOKMARK":
                continue
            if kind == "DELETED":
                self._known.discard(_key(item))
                self._remove(_key(item))
            else:
                self._known.add(_key(item))
                self._put(item)
        return version


def _key(item: Object) -> Key:
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]
