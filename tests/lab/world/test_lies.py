"""Nodes that look well in one way and are not, after a change to nftables."""

from __future__ import annotations

import json

import pytest

NODE = "lab-1-node-1"
API, DNS, ECHO = "10.96.0.1 . tcp . 443", "10.96.0.10 . udp . 53", "10.96.0.100 . tcp . 80"
SERVED = 9  # entries of service-ips in a lab that is well


def flip(clients, *faults):
    for fault in faults:
        clients.lab.fault("lab-1", NODE, fault)
    clients.switch_to("nftables")
    clients.delete_proxy_of(NODE)
    return clients.until(lambda: settled(clients), "a kube-proxy that has synced")


def settled(clients):
    """The node, when its new kube-proxy says that it has synced both families."""
    mode = clients.node(NODE)["mode"]
    return clients.node(NODE) if mode == "nftables" and last_sync(clients, "IPv6") else None


def metrics(clients):
    return clients.ssh(NODE, "curl -s localhost:10249/metrics").stdout.splitlines()


def last_sync(clients, family):
    name = f'kubeproxy_sync_proxy_rules_last_timestamp_seconds{{ip_family="{family}"}}'
    return next((float(line.split()[1]) for line in metrics(clients) if name in line), None)


def elements(clients, name, family="ip"):
    done = clients.ssh(NODE, f"sudo nft -j list map {family} kube-proxy {name}")
    if done.returncode:
        return None
    [_, found] = json.loads(done.stdout)["nftables"]
    return [" . ".join(map(str, key["concat"])) for key, _ in found["map"].get("elem", [])]


def proxy_tables(node):
    return [table for table in node["tables"] if table.endswith(" kube-proxy")]


def test_a_well_node_serves_each_address_and_leaves_out_what_has_no_endpoints(fresh):
    node = flip(fresh)
    assert proxy_tables(node) == ["ip kube-proxy", "ip6 kube-proxy"]
    served = elements(fresh, "service-ips")
    assert len(served) == len(set(served)) == SERVED
    assert {API, DNS, ECHO} <= set(served)
    # A load balancer's address and an external one; a headless Service has none.
    assert {"192.0.2.80 . tcp . 80", "192.0.2.90 . tcp . 80"} <= set(served)
    assert elements(fresh, "no-endpoint-services") == ["10.96.0.130 . tcp . 25"]


def test_log_metrics_and_health_say_that_all_is_well_and_no_table_is_there(fresh):
    node = flip(fresh, "log-without-tables")
    assert proxy_tables(node) == []
    assert fresh.ssh(NODE, "curl -s -f localhost:10256/healthz").returncode == 0
    log = fresh.kubectl("logs", "-n", "kube-system", node["kubeProxy"]["pod"])
    assert '"Using nftables Proxier"' in log
    fresh.lab.clear("lab-1", NODE)
    assert proxy_tables(fresh.node(NODE)) == ["ip kube-proxy", "ip6 kube-proxy"]


def test_tables_may_be_there_and_empty(fresh):
    node = flip(fresh, "tables-without-services")
    assert proxy_tables(node) == ["ip kube-proxy", "ip6 kube-proxy"]
    assert elements(fresh, "service-ips") == []


def test_one_family_may_be_missing_though_both_were_synced_by_the_metrics(fresh):
    node = flip(fresh, "one-family-missing")
    assert proxy_tables(node) == ["ip kube-proxy"]
    assert elements(fresh, "service-ips", "ip6") is None
    assert len(elements(fresh, "service-ips")) == SERVED


def test_ipvs_may_be_left_beside_complete_tables(fresh):
    node = flip(fresh, "ipvs-left")
    assert len(elements(fresh, "service-ips")) == SERVED
    assert node["virtualServers"]
    assert node["connections"] == 3
    assert fresh.ssh(NODE, "ip link show kube-ipvs0").returncode == 0
    assert "0A600001:01BB" in fresh.ssh(NODE, "cat /proc/net/ip_vs").stdout


@pytest.mark.parametrize(
    ("fault", "missing", "unserved"),
    [("map-keys-missing", API, False), ("no-endpoint-lie", ECHO, True)],
)
def test_a_single_service_may_be_missing_in_the_map(fresh, fault, missing, unserved):
    flip(fresh, fault)
    served = elements(fresh, "service-ips")
    assert len(served) == SERVED - 1
    assert missing not in served
    assert (missing in elements(fresh, "no-endpoint-services")) == unserved


def test_half_of_the_services_may_be_missing_and_those_of_the_system_be_there(fresh):
    flip(fresh, "half-services")
    served = elements(fresh, "service-ips")
    assert {API, DNS} <= set(served)
    assert len(served) < SERVED - 2


def hung(clients):
    """The node, when its kube-proxy pod is Ready and its ipvs is gone."""
    node = clients.node(NODE)
    pod = (node["kubeProxy"] or {}).get("pod")
    shown = clients.kubectl("get", "-n", "kube-system", "pod", pod, check=False) if pod else ""
    return node if "1/1" in shown and node["virtualServers"] == [] else None


def test_a_pod_may_be_ready_while_its_kube_proxy_says_and_does_nothing(fresh):
    fresh.lab.fault("lab-1", NODE, "ready-without-rules")
    fresh.switch_to("nftables")
    fresh.delete_proxy_of(NODE)
    node = fresh.until(lambda: hung(fresh), "Ready and wiped")
    assert (node["mode"], proxy_tables(node)) == (None, [])
    log = fresh.kubectl("logs", "-n", "kube-system", node["kubeProxy"]["pod"])
    assert "Proxier" not in log
    assert fresh.ssh(NODE, "curl -s localhost:10249/proxyMode").returncode == 7
    fresh.lab.clear("lab-1", NODE)
    fresh.until(lambda: settled(fresh), "synced after all")


def test_tables_of_a_dead_kube_proxy_stay_as_it_left_them(fresh):
    fresh.lab.fault("lab-1", NODE, "stale-tables")
    fresh.switch_to("nftables")
    fresh.delete_proxy_of(NODE)
    fresh.until(lambda: proxy_tables(fresh.node(NODE)), "somebody's tables")
    assert len(elements(fresh, "service-ips")) == SERVED
    assert last_sync(fresh, "IPv4") is None
    fresh.kubectl("delete", "service", "web")
    assert "192.0.2.80 . tcp . 80" in elements(fresh, "service-ips")
    fresh.lab.clear("lab-1", NODE)
    fresh.until(lambda: settled(fresh), "synced after all")
    assert "192.0.2.80 . tcp . 80" not in elements(fresh, "service-ips")


def test_another_older_process_may_answer_for_kube_proxy(fresh):
    node = flip(fresh, "other-process")
    assert proxy_tables(node) == ["ip kube-proxy", "ip6 kube-proxy"]
    now = int(fresh.ssh(NODE, "date +%s").stdout)
    start = next(line for line in metrics(fresh) if line.startswith("process_start_time_seconds "))
    assert now - float(start.split()[1]) > 3600
    assert last_sync(fresh, "IPv4") >= now


def test_the_connection_table_may_be_nearly_full(fresh):
    fresh.lab.fault("lab-1", NODE, "conntrack-full")
    shown = fresh.ssh(NODE, "cd /proc/sys/net/netfilter; cat nf_conntrack_count nf_conntrack_max")
    count, limit = map(int, shown.stdout.split())
    assert 0.95 < count / limit <= 1
    assert int(fresh.ssh(NODE, "sudo conntrack -C").stdout) == count
    fresh.lab.clear("lab-1", NODE)
    assert int(fresh.ssh(NODE, "sudo conntrack -C").stdout) < 1000
