"""A node that goes back from nftables to ipvs, as measured with kube-proxy 1.36.2."""

from __future__ import annotations

import json
import re

import pytest

from tests.lab.world.test_connections import started

NODE = "lab-1-node-1"
API, ECHO = "10.96.0.1", "10.96.0.100"
BOTH = {"ip kube-proxy", "ip6 kube-proxy"}
ON_DELETE = json.dumps({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}})


def hold(clients):
    daemon_set = ("-n", "kube-system", "daemonset", "kube-proxy")
    clients.kubectl("patch", *daemon_set, "--type", "merge", "-p", ON_DELETE)


def forth(clients, node=NODE):
    hold(clients)
    clients.switch_to("nftables")
    clients.delete_proxy_of(node)


def changed(clients, node=NODE):
    forth(clients, node)
    clients.until(lambda: set(clients.node(node)["tables"]) >= BOTH, "nftables")


def back(clients, node=NODE):
    clients.switch_to("ipvs")
    return clients.delete_proxy_of(node)


def again_in_ipvs(clients, node=NODE):
    def look():
        found = clients.node(node)
        return found if found["mode"] == "ipvs" and found["virtualServers"] else None

    return clients.until(look, "ipvs")


def test_a_node_is_back_as_it_was(fresh):
    before = fresh.node(NODE)
    changed(fresh)
    old = back(fresh)
    after = again_in_ipvs(fresh)
    assert after["virtualServers"] == before["virtualServers"]
    assert after["interfaces"] == before["interfaces"]
    assert after["tables"] == before["tables"]
    assert after["kubeProxy"]["pod"] != old
    assert [fresh.node(name)["mode"] for name in ("lab-1-cp-1", "lab-1-node-2")] == ["ipvs"] * 2
    assert fresh.ssh(NODE, "curl -s localhost:10249/proxyMode").stdout == "ipvs"
    assert "kube-ipvs0" in fresh.ssh(NODE, "ip -o link").stdout
    assert "kube-proxy" not in fresh.ssh(NODE, "sudo nft list tables").stdout
    log = fresh.kubectl("logs", "-n", "kube-system", after["kubeProxy"]["pod"])
    assert '"Using ipvs Proxier"' in log
    assert "nftables Proxier" not in log


def test_the_metrics_of_the_way_back_are_those_of_ipvs(fresh, recordings):
    changed(fresh)
    back(fresh)
    again_in_ipvs(fresh)

    def shown():
        text = fresh.ssh(NODE, "curl -s localhost:10249/metrics").stdout
        return text if text.count("_last_timestamp_seconds{") == 2 else None

    mine = names(fresh.until(shown, "both families"))
    real = names((recordings / "node" / "ipvs" / "metrics.txt").read_text(encoding="utf-8"))
    assert mine <= real
    assert "kubeproxy_sync_proxy_rules_last_timestamp_seconds" in mine
    assert not [name for name in mine if "nftables" in name or "full" in name]


def names(text):
    return set(re.findall(r"^(kubeproxy_sync_\w+)", text, re.MULTILINE))


def test_established_connections_live_on_and_new_ones_fail_for_a_while(fresh):
    changed(fresh)
    script = (
        f"exec 3<>/dev/tcp/{ECHO}/80; echo begun; "
        "until [ -d /sys/class/net/kube-ipvs0 ]; do "
        f"nc -z -w 0.5 {API} 443; echo $?; done; nc -z {API} 443; echo $?; "
        f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; timeout 5 cat <&3 | tail -1"
    )
    with started(fresh, f"bash -c '{script.replace(chr(39), chr(34))}'") as process:
        back(fresh)
        out, _ = process.communicate(timeout=30)
    *answers, served = out.split()
    assert re.fullmatch("0+1+0+", "".join(answers))
    assert served.startswith("10.244.")


@pytest.mark.parametrize(
    "fault",
    ["crashloop", "old-kernel", "image-without-nft", "never-syncs", "ready-without-rules",
     "stale-tables", "other-process", "ipvs-left", "log-without-tables"],
)  # fmt: skip
def test_what_is_in_the_way_of_nftables_is_not_in_the_way_back(fresh, fault):
    fresh.lab.fault("lab-1", NODE, fault)
    before = fresh.node(NODE)
    forth(fresh)
    fresh.until(
        lambda: (fresh.node(NODE)["kubeProxy"] or {}).get("uid") != before["kubeProxy"]["uid"],
        "another pod",
    )
    fresh.until(lambda: fresh.node(NODE)["kubeProxy"], "a pod to delete")
    back(fresh)
    after = again_in_ipvs(fresh)
    assert after["virtualServers"] == before["virtualServers"]
    fresh.until(lambda: not BOTH & set(fresh.node(NODE)["tables"]), "no tables")
    assert after["faults"] == [fault]


def test_an_empty_ipvs_looks_well_in_every_other_way(fresh):
    changed(fresh)
    fresh.lab.fault("lab-1", NODE, "ipvs-empty")
    back(fresh)

    def synced():
        text = fresh.ssh(NODE, "curl -s localhost:10249/metrics").stdout
        return text.count("_last_timestamp_seconds{") == 2

    fresh.until(synced, "metrics of two syncs")
    assert fresh.ssh(NODE, "curl -s localhost:10249/proxyMode").stdout == "ipvs"
    assert fresh.node(NODE)["virtualServers"] == []
    assert not BOTH & set(fresh.node(NODE)["tables"])
    fresh.lab.clear("lab-1", NODE)
    again_in_ipvs(fresh)


def test_tables_can_stay_beside_ipvs(fresh):
    changed(fresh)
    fresh.lab.fault("lab-1", NODE, "tables-stay")
    back(fresh)
    assert set(again_in_ipvs(fresh)["tables"]) >= BOTH
    fresh.lab.clear("lab-1", NODE)
    fresh.until(lambda: not BOTH & set(fresh.node(NODE)["tables"]), "no tables")


def established(clients, node=NODE):
    shown = clients.ssh(node, "sudo cat /proc/net/ip_vs_conn").stdout
    return shown.count("ESTABLISHED")


def test_a_busy_node_becomes_quiet_by_itself(start):
    clients = start(nodes=3)
    clients.lab.fault("lab-1", NODE, "always-busy")
    assert established(clients) == 203
    clients.lab.clear("lab-1", NODE)
    assert established(clients) == 3
    clients.lab.fault("lab-1", NODE, "busy")
    most = clients.node(NODE)["connections"]
    assert most > 3
    clients.until(lambda: established(clients) == 3, "quiet")
    assert clients.node("lab-1-node-2")["connections"] == 3
