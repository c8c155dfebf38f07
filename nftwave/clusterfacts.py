"""What was read of one cluster, for everything that judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.errors import Unreachable
    from nftwave.fleet import Cluster
    from nftwave.kube.objects import DaemonSetView, NodeView, ProxyPod
    from nftwave.kube.resources import Object
    from nftwave.ledger import Ledger
    from nftwave.node.facts import NodeFacts, ServicePort
    from nftwave.permissions import Permission
    from nftwave.proxyconfig import ProxyConfig, Unreadable

CONFIG_KEY = "config.conf"
"""Key of the kube-proxy ConfigMap that kubeadm writes the KubeProxyConfiguration to."""


@dataclass(frozen=True)
class ClusterFacts:
    """What was read of one cluster.

    Attributes:
        uid: uid of Namespace kube-system, which names a cluster for good.
        config_map: the kube-proxy ConfigMap, None where there is none.
        config: its config.conf, read; Unreadable says why not; None where there is none.
        probes: facts by node, or why the node could not be asked. Only nodes in `targets`.
        ledger: of an earlier run on this cluster, None where there was none.
        revision: hash of the DaemonSet's newest template; read only for an open ledger.
        must_serve: Service ports that every node's kube-proxy has to serve.
        around: Services, control plane and other networking; empty unless `look` read them.
        missing: what we may not do; nothing else was read where there is any.
    """

    cluster: Cluster
    uid: str
    server_version: str
    nodes: tuple[NodeView, ...]
    daemon_set: DaemonSetView | None
    config_map: Object | None
    config: ProxyConfig | Unreadable | None
    pods: tuple[ProxyPod, ...]
    must_serve: tuple[ServicePort, ...]
    probes: Mapping[str, NodeFacts | Unreachable]
    ledger: Ledger | None = None
    revision: str = ""
    around: Surroundings = field(default_factory=Surroundings)
    missing: tuple[Permission, ...] = ()

    @property
    def targets(self) -> tuple[NodeView, ...]:
        """Linux nodes on which a kube-proxy pod runs: what a migration changes.

        One that an earlier run has in hand is among them also while its successor is not there yet.
        """
        running = {pod.node for pod in self.pods} | self.in_hand
        return tuple(n for n in self.nodes if n.name in running and n.operating_system == "linux")

    @property
    def in_hand(self) -> frozenset[str]:
        """Nodes that an earlier run, which did not end, has begun with and not proven."""
        return self.ledger.in_hand if self.ledger and self.ledger.is_open else frozenset()

    @property
    def held_by_us(self) -> bool:
        """Whether an earlier run that did not end left its hold (OnDelete) on the DaemonSet."""
        held = self.daemon_set is not None and self.daemon_set.strategy == "OnDelete"
        before = self.ledger.original_strategy.get("type") if self.ledger else None
        return bool(held and self.ledger and self.ledger.is_open and before == "RollingUpdate")

    @property
    def config_text(self) -> str:
        """The text of config.conf; empty where there is none."""
        return str(((self.config_map or {}).get("data") or {}).get(CONFIG_KEY, ""))
