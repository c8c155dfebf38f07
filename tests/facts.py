"""Facts of a healthy cluster, from which a test departs in the one thing that it is about."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from nftwave.fleet import Cluster
from nftwave.kube.objects import DaemonSetView, NodeView, ProxyPod
from nftwave.look import ClusterFacts
from nftwave.node.facts import Attempt, Health, NodeFacts, ServicePort, Unknown, VirtualServer
from nftwave.proxyconfig import read
from nftwave.services import OpenPort, ServiceView
from nftwave.surroundings import Surroundings

API = Path(__file__).parent / "recordings" / "api"
KUBERNETES = ServicePort("10.96.0.1", "tcp", 443)
API_SERVER = ServicePort("192.0.2.1", "tcp", 6443)
STARTED = 1_795_315_000.0
"""When the container of `pod()` started, seconds since the epoch."""
NEW_UID = "3b1d6f0e-8f2a-4c0d-9b57-6f2a1c7e9d10"
"""uid of `pod()`."""


def recorded(case: str) -> dict[str, Any]:
    """The body that kube-apiserver 1.36.2 answered in that recording."""
    (path,) = API.glob(f"*-{case}.json")
    return json.loads(path.read_text())["response"]["body"]


def migrated(**differences: Any) -> NodeFacts:
    """A node whose kube-proxy runs nftables mode and has synced."""
    facts = NodeFacts(
        node="node1",
        clock=STARTED + 60,
        uid=0,
        kernel="6.1.0-50-amd64",
        os="Debian GNU/Linux 12 (bookworm)",
        nft="1.0.6",
        proxy_nft=Unknown("only access exec looks there"),
        tables=frozenset({("ip", "filter"), ("ip", "kube-proxy"), ("ip6", "kube-proxy")}),
        service_ips={"ip": frozenset({KUBERNETES}), "ip6": frozenset()},
        no_endpoints={"ip": frozenset(), "ip6": frozenset()},
        virtual_servers=(),
        ipvs_connections={},
        established={},
        ipvs_interface=None,
        proxy_mode="nftables",
        last_sync={"ip": STARTED + 5, "ip6": STARTED + 9},
        last_queued={"ip": STARTED + 2, "ip6": STARTED + 2},
        sync_failures={},
        process_started=STARTED,
        listener=f"0::/kubepods.slice/kubepods-besteffort-pod{NEW_UID.replace('-', '_')}.slice/x",
        health=Health(200, {"ip": True, "ip6": True}),
        conntrack=(100, 131072),
        iptables_chains=frozenset(),
        answers={KUBERNETES: Attempt(connected=True, said="connected (bash)")},
        firewalls=frozenset(),
        commands={"tables": "nft list tables", "proxy_mode": "curl -s 127.0.0.1:10249/proxyMode"},
    )
    return replace(facts, **differences)


def in_ipvs(**differences: Any) -> NodeFacts:
    """A node whose kube-proxy runs ipvs mode."""
    facts = migrated(
        tables=frozenset({("ip", "filter")}),
        service_ips={"ip": None, "ip6": None},
        virtual_servers=(VirtualServer("tcp", "10.96.0.1", 443, "rr", (API_SERVER,)),),
        ipvs_connections={"ESTABLISHED": 3, "TIME_WAIT": 5},
        established={KUBERNETES: 3},
        ipvs_interface=("10.96.0.1",),
        proxy_mode="ipvs",
    )
    return replace(facts, **differences)


def pod(**differences: Any) -> ProxyPod:
    """A Ready kube-proxy pod."""
    one = ProxyPod(
        name="kube-proxy-abcde",
        uid=NEW_UID,
        node="node1",
        created=STARTED - 2,
        deleting=False,
        ready=True,
        started=STARTED,
        restarts=0,
        image="registry.k8s.io/kube-proxy:v1.36.2",
        waiting="",
        detail="",
        revision="6765b9b7bd",
    )
    return replace(one, **differences)


def node(name: str = "node1", **differences: Any) -> NodeView:
    """A Ready Linux node."""
    one = replace(NodeView.of(recorded("nodes")["items"][0]), name=name)
    return replace(one, **differences)


def daemon_set(**differences: Any) -> DaemonSetView:
    """kubeadm's DaemonSet, settled."""
    one = DaemonSetView.of(recorded("daemonset-kube-proxy"))
    settled = replace(
        one, generation=7, observed_generation=7, desired=1, updated=1, available=1,
        image="registry.k8s.io/kube-proxy:v1.36.2",
    )  # fmt: skip
    return replace(settled, **differences)


def service(name: str, address: str, *, port: int, node_port: int = 0) -> ServiceView:
    """A Service of namespace default, with one TCP port."""
    return ServiceView("default", name, (address,), (), (OpenPort("tcp", port, node_port),))


KUBERNETES_SERVICE = service("kubernetes", "10.96.0.1", port=443)


def cluster_facts(**differences: Any) -> ClusterFacts:
    """A healthy cluster of one node in ipvs mode."""
    config_map = recorded("configmap-kube-proxy")
    facts = ClusterFacts(
        cluster=Cluster(name="c1", in_cluster=True),
        uid="a-uid",
        server_version="v1.36.2",
        nodes=(node(),),
        daemon_set=daemon_set(),
        config_map=config_map,
        config=read(config_map["data"]["config.conf"]),
        pods=(pod(uid="old"),),
        must_serve=(KUBERNETES,),
        probes={"node1": in_ipvs()},
        around=Surroundings(services=(KUBERNETES_SERVICE,)),
    )
    return replace(facts, **differences)


def with_surroundings(**found: Any) -> dict[str, Any]:
    """Differences that give `cluster_facts` other surroundings; Services are added."""
    services = (KUBERNETES_SERVICE, *found.pop("services", ()))
    return {"around": Surroundings(services=services, **found)}


def with_config(text: str) -> dict[str, Any]:
    """Differences that give `cluster_facts` another config.conf."""
    config_map = recorded("configmap-kube-proxy")
    config_map["data"]["config.conf"] = text
    return {"config_map": config_map, "config": read(text)}
