"""Facts first: everything that preflight looks at, read without changing anything.

One list of nodes and one of kube-proxy pods, whatever their number; a few single objects; and one
probe a node over SSH, in parallel. Judgement comes after, in `findings/`, from these facts alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nftwave import ledger
from nftwave.errors import BadInput, Unreachable
from nftwave.kube.objects import (
    KUBE_PROXY,
    KUBE_PROXY_LABEL,
    KUBE_SYSTEM,
    DaemonSetView,
    NodeView,
    ProxyPod,
)
from nftwave.kube.resources import CONFIG_MAPS, DAEMON_SETS, NAMESPACES, NODES, PODS, SERVICES
from nftwave.kube.daemonset import current_revision
from nftwave.node.access import resolve
from nftwave.node.facts import NodeFacts, ServicePort
from nftwave.node.probe import probe_all
from nftwave.proxyconfig import ProxyConfig, Unreadable, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nftwave.fleet import Cluster
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object
    from nftwave.ledger import Ledger
    from nftwave.node.host import Access

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

    @property
    def targets(self) -> tuple[NodeView, ...]:
        """Linux nodes on which a kube-proxy pod runs: what a migration changes."""
        running = {pod.node for pod in self.pods}
        return tuple(n for n in self.nodes if n.name in running and n.operating_system == "linux")

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


def look(
    cluster: Cluster, gateway: Gateway, *, seen: Callable[[str, str], None] | None = None
) -> ClusterFacts:
    """Read a cluster and probe its nodes.

    Args:
        seen: called with a node's name and what came of it, as each node answers.

    Raises:
        ApiError: the API server refused or stayed away.
    """
    facts = look_at_api(cluster, gateway)
    probes = probe_nodes(cluster, facts.targets, seen=seen)
    return replace(facts, probes=probes)


def look_at_api(cluster: Cluster, gateway: Gateway) -> ClusterFacts:
    """What the API server tells, no node asked yet."""
    config_map = gateway.find(CONFIG_MAPS, KUBE_PROXY, KUBE_SYSTEM)
    daemon_set = gateway.find(DAEMON_SETS, KUBE_PROXY, KUBE_SYSTEM)
    pods = gateway.list(PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL)
    entry = ledger.read(gateway)
    return ClusterFacts(
        cluster=cluster,
        uid=str(gateway.get(NAMESPACES, KUBE_SYSTEM)["metadata"]["uid"]),
        server_version=gateway.version(),
        nodes=tuple(NodeView.of(item) for item in gateway.list(NODES).items),
        daemon_set=DaemonSetView.of(daemon_set) if daemon_set else None,
        config_map=config_map,
        config=_config(config_map),
        pods=tuple(ProxyPod.of(item) for item in pods.items),
        must_serve=tuple(_must_serve(gateway)),
        probes={},
        ledger=entry,
        revision=current_revision(gateway) if entry and entry.is_open else "",
    )


def access_to(cluster: Cluster, node: NodeView) -> Access:
    """How a node is reached, by the fleet file and the ssh config.

    Raises:
        BadInput: the Node has no such address, or the ssh config cannot be honoured.
    """
    access = resolve(cluster.ssh, node.object)
    if access.connect_timeout is not None:
        return access
    return replace(access, connect_timeout=cluster.policy.deadlines.connect)


def probe_nodes(
    cluster: Cluster,
    nodes: Iterable[NodeView],
    *,
    seen: Callable[[str, str], None] | None = None,
) -> dict[str, NodeFacts | Unreachable]:
    """Probe nodes over SSH in parallel, under the policy's deadlines."""
    answers: dict[str, NodeFacts | Unreachable] = {}
    accesses = {}
    for node in nodes:
        try:
            accesses[node.name] = access_to(cluster, node)
        except BadInput as error:
            answers[node.name] = Unreachable(str(error), node=node.name)
    deadlines = cluster.policy.deadlines
    for name, answer in probe_all(
        accesses,
        workers=cluster.policy.parallelism,
        per_host_deadline=deadlines.probe,
        overall_deadline=deadlines.preflight,
    ):
        answers[name] = answer
        if seen:
            seen(name, str(answer.what) if isinstance(answer, Unreachable) else "answered")
    return answers


def _config(config_map: Object | None) -> ProxyConfig | Unreadable | None:
    text = ((config_map or {}).get("data") or {}).get(CONFIG_KEY)
    if text is None:
        return None
    try:
        return read(text)
    except Unreadable as error:
        return error


def _must_serve(gateway: Gateway) -> Iterable[ServicePort]:
    """Ports of the one Service that every cluster has: the API server's."""
    spec = gateway.get(SERVICES, "kubernetes", "default")["spec"]
    for address in spec.get("clusterIPs") or [spec["clusterIP"]]:
        for port in spec["ports"]:
            yield ServicePort(address, port.get("protocol", "TCP").lower(), port["port"])
