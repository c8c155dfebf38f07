"""What the API says while nodes are proven: kube-proxy's pods, Services and their endpoints.

Three lists and three watches, however many nodes there are and however often each is looked at.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from nftwave.kube.errors import ApiError
from nftwave.kube.mirror import Mirror
from nftwave.kube.objects import KUBE_PROXY_LABEL, KUBE_SYSTEM, ProxyPod
from nftwave.kube.resources import ENDPOINT_SLICES, PODS, SERVICES
from nftwave.node.facts import Unknown
from nftwave.serving.index import Index
from nftwave.serving.virtual import by_family, without_real_servers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nftwave.evidence.model import Mode
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.mirror import Key
    from nftwave.kube.resources import Object
    from nftwave.node.facts import Family, NodeFacts, ServicePort, VirtualServer
    from nftwave.serving.compare import Comparison

PATIENCE = 30.0
"""Seconds without the API server after which nothing is compared with what it said before."""


class Witness:
    """Follows the API from entering to leaving. Usable from several threads."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._index = Index()
        self._pods: dict[str, dict[str, ProxyPod]] = {}  # by node, by name
        self._lock = threading.Condition()
        self._unread: Unknown | None = None
        self._proxies = Mirror(
            gateway,
            PODS,
            KUBE_SYSTEM,
            labels=KUBE_PROXY_LABEL,
            put=self._put_pod,
            remove=self._remove_pod,
        )
        index = self._index
        self._serving = (
            Mirror(gateway, SERVICES, put=index.put_service, remove=index.remove_service),
            Mirror(gateway, ENDPOINT_SLICES, put=index.put_slice, remove=index.remove_slice),
        )

    def __enter__(self) -> Self:
        """Read and begin to follow.

        Raises:
            ApiError: kube-proxy's pods could not be listed. Services that could not be are
                unknown, which keeps a node from being verified and no more.
        """
        self._proxies.start()
        try:
            for mirror in self._serving:
                mirror.start()
        except ApiError as error:
            self._unread = Unknown(error.what)
        self._index.loaded()
        return self

    def __exit__(self, *_: object) -> None:
        for mirror in (self._proxies, *self._serving):
            mirror.stop()

    def pod(self, node: str) -> ProxyPod | None:
        """The node's newest kube-proxy pod; the last one seen while the API server is away."""
        with self._lock:
            pods = list(self._pods.get(node, {}).values())
        return max(pods, key=lambda p: (not p.deleting, p.created), default=None)

    @property
    def pods_are_old(self) -> bool:
        """Whether the API server has not told of kube-proxy's pods for a while."""
        return self._proxies.lost_for > PATIENCE

    def await_pod(
        self, node: str, is_wanted: Callable[[ProxyPod | None], bool], *, seconds: float
    ) -> ProxyPod | None:
        """The node's newest kube-proxy pod as soon as it is as wanted, or when the time is over."""
        until = time.monotonic() + seconds
        while True:
            # Read under the lock: a change that comes between looking and waiting would be missed.
            with self._lock:
                pod = self.pod(node)
                left = until - time.monotonic()
                if is_wanted(pod) or left <= 0:
                    return pod
                self._lock.wait(left)

    def compare(
        self, node: str, facts: NodeFacts, *, since: float, mode: Mode = "nftables"
    ) -> Mapping[Family, Comparison] | Unknown:
        """What a node holds beside what it must hold.

        Args:
            since: when the node was looked at, by the monotonic clock.
            mode: whether its maps are compared, or its virtual servers.
        """
        unknown = self._unknown()
        if unknown is not None:
            return unknown
        if mode == "ipvs":
            told = facts.virtual_servers
            servers = () if isinstance(told, Unknown) else told
            return self._index.compare(
                node, by_family(servers), without_real_servers(servers), since=since
            )
        return self._index.compare(node, facts.service_ips, facts.no_endpoints, since=since)

    def foreign(self, facts: NodeFacts) -> tuple[VirtualServer, ...] | Unknown:
        """Those of a node's virtual servers that no Service accounts for."""
        if isinstance(facts.virtual_servers, Unknown):
            return facts.virtual_servers
        unknown = self._unknown()
        return self._index.foreign(facts.virtual_servers) if unknown is None else unknown

    def cluster_ips(self, *, since: float) -> Mapping[str, str] | Unknown:
        """Every ClusterIP that kube-proxy has to serve, and its Service.

        Args:
            since: when the node was looked at, by the monotonic clock.
        """
        unknown = self._unknown()
        return self._index.cluster_ips(since=since) if unknown is None else unknown

    def reach(self) -> Mapping[ServicePort, str]:
        """Service ports that must answer from every node, and what they are called."""
        return self._index.reach()

    def _unknown(self) -> Unknown | None:
        lost = max(mirror.lost_for for mirror in self._serving)
        if self._unread is None and lost > PATIENCE:
            return Unknown(f"the API server has not told of Services for {lost:.0f} s")
        return self._unread

    def _put_pod(self, item: Object) -> None:
        pod = ProxyPod.of(item)
        with self._lock:
            self._pods.setdefault(pod.node, {})[pod.name] = pod
            self._lock.notify_all()

    def _remove_pod(self, key: Key) -> None:
        with self._lock:
            for pods in self._pods.values():
                pods.pop(key[1], None)
            self._lock.notify_all()
