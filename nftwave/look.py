"""Facts first: everything that preflight looks at, read without changing anything.

What we may do is asked first: where something is missing, nothing else is read, and all of it is
told at once. Then a number of requests that does not grow with the nodes (lists come in pages), and
one probe a node, in parallel. Judgement comes after, in `findings/`, from these facts
alone.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from nftwave import ledger, permissions
from nftwave.clusterfacts import CONFIG_KEY, ClusterFacts
from nftwave.errors import BadInput, Unreachable
from nftwave.foreign import strangers_on
from nftwave.kube.daemonset import current_revision
from nftwave.kube.objects import (
    KUBE_PROXY,
    KUBE_PROXY_LABEL,
    KUBE_SYSTEM,
    DaemonSetView,
    NodeView,
    ProxyPod,
)
from nftwave.kube.resources import CONFIG_MAPS, DAEMON_SETS, NAMESPACES, NODES, PODS, SERVICES
from nftwave.node.facts import NodeFacts, ServicePort
from nftwave.node.jumps import JumpHosts
from nftwave.node.parallel import on_each
from nftwave.proxyconfig import ProxyConfig, Unreadable, read
from nftwave.reaching import once, opener
from nftwave.services import to_reach
from nftwave.surroundings import read_services, read_surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nftwave.fleet import Cluster, Policy
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object
    from nftwave.permissions import Permission
    from nftwave.reaching import Opener

__all__ = ["CONFIG_KEY", "ClusterFacts", "look", "look_at_api", "probe_nodes"]

SETTLING = 5.0
"""Seconds after which kube-proxy has followed a change of Services: by default it syncs at once and
at most once a second (Kubernetes 1.36 source, ipvs.minSyncPeriod); a guess with room."""


def _drains(policy: Policy) -> bool:
    """Whether nodes may be drained; which ones is not known before the nodes are read."""
    drain = policy.drain
    some = bool(drain.nodes or drain.selector) if drain.everywhere is None else drain.everywhere
    return some and policy.strategy == "batches"


def look(
    cluster: Cluster, gateway: Gateway, *, seen: Callable[[str, str], None] | None = None
) -> ClusterFacts:
    """Read a cluster and probe its nodes.

    Args:
        seen: called with a node's name and what came of it, as each node answers.

    Raises:
        ApiError: the API server refused or stayed away.
    """
    # Anybody may read it, so a server that is away is told by one request and not by many.
    gateway.version()
    drains = _drains(cluster.policy)
    if missing := permissions.missing(gateway, cluster.access, drains=drains):
        return _unread(cluster, missing)
    facts = look_at_api(cluster, gateway)
    listed = time.monotonic()
    facts = replace(facts, around=read_surroundings(gateway))
    facts = replace(facts, probes=probe_nodes(facts, gateway, facts.targets, seen=seen))
    strange = strangers_on(facts)
    if strange:
        time.sleep(max(0.0, listed + SETTLING - time.monotonic()))
        facts = _look_again(facts, gateway, strange)
    return facts


def _look_again(facts: ClusterFacts, gateway: Gateway, names: Iterable[str]) -> ClusterFacts:
    """The facts with a second look at nodes whose virtual servers nobody seems to own.

    kube-proxy follows the API with a delay: a Service made or deleted a moment ago is not foreign.
    Services of both looks count.
    """
    suspects = set(names)
    again = probe_nodes(facts, gateway, [n for n in facts.targets if n.name in suspects])
    told = {name: probe for name, probe in again.items() if isinstance(probe, NodeFacts)}
    services = (*facts.around.services, *read_services(gateway))
    return replace(
        facts,
        probes={**facts.probes, **told},
        around=replace(facts.around, services=tuple(dict.fromkeys(services))),
    )


def _unread(cluster: Cluster, missing: tuple[Permission, ...]) -> ClusterFacts:
    return ClusterFacts(
        cluster=cluster,
        uid="",
        server_version="",
        nodes=(),
        daemon_set=None,
        config_map=None,
        config=None,
        pods=(),
        must_serve=(),
        probes={},
        missing=missing,
    )


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


def probe_nodes(
    facts: ClusterFacts,
    gateway: Gateway,
    nodes: Iterable[NodeView],
    *,
    seen: Callable[[str, str], None] | None = None,
) -> dict[str, NodeFacts | Unreachable]:
    """Probe nodes in parallel, under the policy's deadlines.

    Connections to the Services that must answer after the change are tried too: what does not
    answer before it proves nothing afterwards.
    """
    cluster = facts.cluster
    answers: dict[str, NodeFacts | Unreachable] = {}
    ways: dict[str, Opener] = {}
    pods = {pod.node: pod for pod in facts.pods if not pod.deleting}
    reach = to_reach(facts.around.services)
    deadlines = cluster.policy.deadlines
    with JumpHosts() as jumps:
        for node in nodes:
            try:
                ways[node.name] = opener(
                    cluster, node, gateway=gateway, pod=partial(pods.get, node.name), jumps=jumps
                )
            except BadInput as error:
                answers[node.name] = Unreachable(str(error), node=node.name)
        for name, answer in on_each(
            lambda way, deadline: once(way, deadline, reach),
            ways,
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
