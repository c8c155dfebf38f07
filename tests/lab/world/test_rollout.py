"""kube-proxy over a whole rollout, looked at from outside."""

from __future__ import annotations

import json
import re

DAEMON_SET = ("-n", "kube-system", "daemonset", "kube-proxy")
BOTH = {"ip kube-proxy", "ip6 kube-proxy"}


def patch(clients, spec):
    clients.kubectl("patch", *DAEMON_SET, "--type", "merge", "-p", json.dumps({"spec": spec}))


def status(clients):
    return json.loads(clients.kubectl("get", *DAEMON_SET, "-o", "json"))["status"]


def test_changing_the_configmap_alone_changes_no_node(fresh):
    before = fresh.nodes()
    fresh.switch_to("nftables")
    fresh.until(lambda: status(fresh)["numberReady"] == 3, "all ready")
    after = fresh.nodes()
    assert [one["mode"] for one in after.values()] == ["ipvs"] * 3
    assert [one["kubeProxy"] for one in after.values()] == [
        one["kubeProxy"] for one in before.values()
    ]


def test_a_restart_moves_every_node_one_after_the_other(fresh):
    fresh.switch_to("nftables")
    fresh.kubectl("rollout", "restart", *DAEMON_SET)
    said = fresh.kubectl("rollout", "status", *DAEMON_SET, "--timeout=60s")
    assert "successfully rolled out" in said
    fresh.until(lambda: all(set(one["tables"]) >= BOTH for one in fresh.nodes().values()), "tables")
    for node in fresh.nodes().values():
        assert node["mode"] == "nftables"
        assert node["virtualServers"] == []
        assert node["connections"] == 0
        assert "kube-ipvs0" not in node["interfaces"]
        assert "10.96.0.1 . tcp . 443" in node["serviceIps"]["ip"]
    revisions = fresh.kubectl("get", "-n", "kube-system", "controllerrevisions", "-o", "name")
    assert len(revisions.splitlines()) == 2
    hashes = fresh.kubectl(
        "get",
        "-n",
        "kube-system",
        "pods",
        "-l",
        "k8s-app=kube-proxy",
        "-o",
        "jsonpath={.items[*].metadata.labels.controller-revision-hash}",
    ).split()
    assert len(set(hashes)) == 1


def test_rollout_status_is_done_before_the_tables_are_there(start):
    clients = start(nodes=1, faults=[("lab-1-cp-1", "slow-sync")])
    clients.switch_to("nftables")
    clients.kubectl("rollout", "restart", *DAEMON_SET)
    clients.kubectl("rollout", "status", *DAEMON_SET, "--timeout=60s")
    node = clients.until(
        lambda: clients.node("lab-1-cp-1")["mode"] and clients.node("lab-1-cp-1"), "the new mode"
    )
    assert BOTH & set(node["tables"]) == set()
    assert node["virtualServers"] == []
    log = clients.kubectl("logs", "-n", "kube-system", node["kubeProxy"]["pod"])
    assert '"Using nftables Proxier"' in log


def test_never_more_nodes_are_down_than_the_strategy_allows(start):
    clients = start(nodes=10)
    patch(clients, {"updateStrategy": {"rollingUpdate": {"maxUnavailable": "25%"}}})
    clients.kubectl("rollout", "restart", *DAEMON_SET)
    seen = []

    def finished():
        now = status(clients)
        seen.append(now.get("numberUnavailable", 0))
        return now.get("updatedNumberScheduled") == 10 and now["numberReady"] == 10

    clients.until(finished, "ten new pods")
    # 25 % of 10, rounded up.
    assert 1 <= max(seen) <= 3


def test_under_on_delete_only_a_deleted_pod_is_replaced(fresh):
    patch(fresh, {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}})
    fresh.switch_to("nftables")
    fresh.kubectl("rollout", "restart", *DAEMON_SET)
    refused = fresh.kubectl("rollout", "status", *DAEMON_SET, check=False)
    assert refused == ""
    old = fresh.delete_proxy_of("lab-1-node-1")
    fresh.until(lambda: fresh.node("lab-1-node-1")["mode"] == "nftables", "the changed node")
    new = fresh.node("lab-1-node-1")["kubeProxy"]
    assert new["pod"] != old
    assert new["restarts"] == 0
    others = [fresh.node(name)["mode"] for name in ("lab-1-cp-1", "lab-1-node-2")]
    assert others == ["ipvs", "ipvs"]
    assert status(fresh)["updatedNumberScheduled"] == 1


def test_going_back_takes_the_tables_away_and_brings_ipvs_with_the_first_sync(fresh):
    node = "lab-1-node-1"
    fresh.switch_to("nftables")
    fresh.delete_proxy_of(node)
    fresh.until(lambda: set(fresh.node(node)["tables"]) >= BOTH, "nftables")
    fresh.switch_to("ipvs")
    fresh.delete_proxy_of(node)
    back = fresh.until(lambda: fresh.node(node)["virtualServers"] and fresh.node(node), "ipvs")
    assert back["mode"] == "ipvs"
    assert BOTH & set(back["tables"]) == set()
    assert "kube-ipvs0" in back["interfaces"]
    events = fresh.kubectl(
        "get",
        "events",
        "-A",
        "--field-selector",
        "reason=IPVSDeprecation",
        "-o",
        "jsonpath={.items[*].involvedObject.name}",
    )
    assert events.split() == [node]


def test_kube_proxy_dies_of_a_mode_that_does_not_exist(fresh):
    text = fresh.kubectl("get", "-n", "kube-system", "configmap", "kube-proxy", "-o", "yaml")
    changed = text.replace("mode: ipvs\n", "mode: NFTables\n")
    fresh.kubectl("replace", "-f", "-", stdin=changed)
    fresh.delete_proxy_of("lab-1-node-1")
    proxy = fresh.until(
        lambda: (
            (fresh.node("lab-1-node-1")["kubeProxy"] or {}).get("state") == "CrashLoopBackOff"
            and fresh.node("lab-1-node-1")
        ),
        "a crash loop",
    )
    # It never came to the wipe: ipvs goes on without it.
    assert proxy["virtualServers"]
    log = fresh.kubectl("logs", "-n", "kube-system", proxy["kubeProxy"]["pod"])
    assert re.search(r"Invalid value: .*NFTables.*must be iptables, ipvs, nftables", log)


def test_new_services_appear_in_the_tables(fresh):
    node = "lab-1-node-1"
    fresh.switch_to("nftables")
    fresh.delete_proxy_of(node)
    fresh.until(lambda: set(fresh.node(node)["tables"]) >= BOTH, "nftables")
    fresh.kubectl(
        "create",
        "--validate=false",
        "-f",
        "-",
        stdin=json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [
                    {
                        "apiVersion": "v1",
                        "kind": "Service",
                        "metadata": {"name": "blog", "namespace": "default"},
                        "spec": {
                            "clusterIP": "10.96.7.7",
                            "clusterIPs": ["10.96.7.7"],
                            "ports": [{"port": 443, "protocol": "TCP", "targetPort": 8443}],
                        },
                    },
                    {
                        "apiVersion": "discovery.k8s.io/v1",
                        "kind": "EndpointSlice",
                        "addressType": "IPv4",
                        "metadata": {
                            "name": "blog-1",
                            "namespace": "default",
                            "labels": {"kubernetes.io/service-name": "blog"},
                        },
                        "endpoints": [{"addresses": ["10.244.0.9"]}],
                        "ports": [{"name": "", "port": 8443, "protocol": "TCP"}],
                    },
                ],
            }
        ),
    )
    assert "10.96.7.7 . tcp . 443" in fresh.node(node)["serviceIps"]["ip"]
    table = fresh.ssh(node, "sudo nft list table ip kube-proxy").stdout
    assert "0 : 10.244.0.9 . 8443" in table
    assert "0A600707:01BB" in fresh.ssh("lab-1-node-2", "cat /proc/net/ip_vs").stdout
