"""All Services of a cluster, kept up to date, for comparison with one node after another.

What holds for every node alike is kept ready made, so that a node costs set operations only: at
10,000 Services and 1,000 nodes a comparison from scratch would be most of the work.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from nftwave.foreign import Strangers
from nftwave.node.facts import ServicePort
from nftwave.services import REACH, ServiceView, to_reach
from nftwave.serving.compare import Comparison, Named
from nftwave.serving.endpoints import SliceView
from nftwave.serving.entries import Entry, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nftwave.kube.resources import Object
    from nftwave.node.facts import Family, Unknown, VirtualServer
    from nftwave.serving.virtual import Plain

    Held = Mapping[Family, frozenset[ServicePort] | frozenset[Plain] | Unknown | None]

Key = tuple[str, str]
"""Namespace and name."""
SETTLING = 10.0
"""Seconds after a change in the API within which a node may hold either state: kube-proxy syncs at
most once a second by default (Kubernetes 1.36 source, minSyncPeriod); a guess with room."""
FAMILIES: tuple[Family, Family] = ("ip", "ip6")


class Index:
    """Services and EndpointSlices as the API tells them now. Usable from several threads.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._services: dict[Key, ServiceView] = {}
        self._slices: dict[Key, SliceView] = {}
        self._slices_of: dict[Key, dict[Key, SliceView]] = {}
        self._entries: dict[Key, tuple[Entry, ...]] = {}
        self._everywhere: dict[Family, dict[ServicePort, str]] = {"ip": {}, "ip6": {}}
        self._by_node: dict[Key, tuple[Entry, ...]] = {}
        self._changed: dict[ServicePort, float] = {}
        self._strangers: Strangers | None = None
        self._cluster_ips: dict[str, str] | None = None

    def put_service(self, item: Object) -> None:
        """A Service as it is now."""
        key = _key(item)
        with self._lock:
            self._services[key] = ServiceView.of(item)
            self._strangers = self._cluster_ips = None
            self._renew(key)

    def remove_service(self, key: Key) -> None:
        """A Service that is gone."""
        with self._lock:
            self._services.pop(key, None)
            self._strangers = self._cluster_ips = None
            self._renew(key)

    def put_slice(self, item: Object) -> None:
        """An EndpointSlice as it is now."""
        self._set_slice(_key(item), SliceView.of(item))

    def remove_slice(self, key: Key) -> None:
        """An EndpointSlice that is gone."""
        self._set_slice(key, None)

    def loaded(self) -> None:
        """What was put so far is how the cluster stood at first; it counts as no change."""
        with self._lock:
            self._changed.clear()

    def foreign(self, servers: Iterable[VirtualServer]) -> tuple[VirtualServer, ...]:
        """Those of a node's virtual servers that no Service accounts for."""
        with self._lock:
            if self._strangers is None:
                self._strangers = Strangers(self._services.values())
            return self._strangers.among(servers)

    def cluster_ips(self, *, since: float) -> Mapping[str, str]:
        """Every ClusterIP with a port, and its Service; without those that just changed.

        Args:
            since: when the node was looked at, by the clock.
        """
        with self._lock:
            if self._cluster_ips is None:
                kept = (one for one in self._services.values() if not one.other_proxy)
                self._cluster_ips = {a: str(s) for s in kept if s.ports for a in s.cluster_ips}
            known = self._cluster_ips
            changing = {port.address for port in self._changing(since)}
        return {a: s for a, s in known.items() if a not in changing} if changing else known

    def reach(self) -> dict[ServicePort, str]:
        """TCP ports of the API server's Service and of the cluster DNS, if they have endpoints."""
        with self._lock:
            known = [self._services[key] for key in REACH if key in self._services]
            alive = {e.port for key in REACH for e in self._entries.get(key, ()) if e.nodes}
        return {port: name for port, name in to_reach(known).items() if port in alive}

    def compare(
        self, node: str, held: Held, rejected: Held, *, since: float
    ) -> dict[Family, Comparison]:
        """What a node holds beside what it must hold, by family.

        Args:
            held: keys of service-ips; a map that is not there counts as empty. In ipvs mode the
                virtual servers (`serving.virtual`).
            rejected: keys of no-endpoint-services. In ipvs mode virtual servers without a real
                server.
            since: when the node was looked at, by the clock.
        """
        with self._lock:
            changing = self._changing(since)
            return {
                family: self._compare(
                    node, family, _plain(held.get(family)), _plain(rejected.get(family)), changing
                )
                for family in FAMILIES
            }

    def _changing(self, since: float) -> set[ServicePort]:
        """Service ports of which a node may hold either state at that time."""
        moment = since - SETTLING
        self._changed = {p: at for p, at in self._changed.items() if at > moment - SETTLING}
        return {port for port, at in self._changed.items() if at > moment}

    def _compare(
        self,
        node: str,
        family: Family,
        held: frozenset[Plain],
        rejected: frozenset[Plain],
        changing: set[ServicePort],
    ) -> Comparison:
        common = self._everywhere[family]
        mine = [e for kept in self._by_node.values() for e in kept if _family(e.port) == family]
        served = {e.port: e.service for e in mine if e.served(node)}
        may_reject = {e.port for e in mine if e.rejected(node)}
        missing = (common.keys() - held) | (served.keys() - held)
        surprise = (rejected & (common.keys() | served.keys())) - may_reject
        stale = held - common.keys() - served.keys()

        def named(ports: Iterable[Plain]) -> tuple[Named, ...]:
            found = map(ServicePort._make, sorted(set(ports) - changing))
            return tuple(Named(p, common.get(p) or served.get(p) or "no Service") for p in found)

        return Comparison(
            expected=len(common) + len(served.keys() - common.keys()),
            missing=named(missing),
            rejected=named(surprise),
            stale=named(stale),
            changing=len(changing & (missing | surprise | stale)),
        )

    def _set_slice(self, key: Key, now: SliceView | None) -> None:
        with self._lock:
            before = self._slices.pop(key, None)
            if before is not None:
                self._slices_of.get(before.service, {}).pop(key, None)
            if now is not None:
                self._slices[key] = now
                self._slices_of.setdefault(now.service, {})[key] = now
            for service in {one.service for one in (before, now) if one is not None}:
                self._renew(service)

    def _renew(self, key: Key) -> None:
        """Work out anew what the maps must hold for one Service."""
        before = self._entries.pop(key, ())
        service, slices = self._services.get(key), self._slices_of.get(key, {})
        now = tuple(entries(service, slices.values())) if service else ()
        if now:
            self._entries[key] = now
        if set(before) == set(now):
            return
        for entry in before:
            common = self._everywhere[_family(entry.port)]
            if common.get(entry.port) == entry.service:
                del common[entry.port]
        for entry in now:
            if entry.nodes and not entry.local:
                self._everywhere[_family(entry.port)][entry.port] = entry.service
        self._by_node.pop(key, None)
        if by_node := tuple(e for e in now if e.local):
            self._by_node[key] = by_node
        moment = self._clock()
        for entry in set(before) ^ set(now):
            self._changed[entry.port] = moment


def _key(item: Object) -> Key:
    meta = item["metadata"]
    return meta["namespace"], meta["name"]


def _family(port: ServicePort) -> Family:
    return "ip6" if ":" in port.address else "ip"


def _plain(held: frozenset[ServicePort] | frozenset[Plain] | Unknown | None) -> frozenset[Plain]:
    return held if isinstance(held, frozenset) else frozenset()
