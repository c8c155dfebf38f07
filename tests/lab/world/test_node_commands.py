"""What commands on a lab node print, beside what they printed on real nodes."""

from __future__ import annotations

import json
import re

import pytest

NODE = "lab-1-node-1"


def recorded(recordings, state, name):
    lines = (recordings / "node" / state / f"{name}.txt").read_text(encoding="utf-8").split("\n", 1)
    output, _, status = lines[1].rpartition("# exit status: ")
    return output, int(status)


def shape(value):
    """Keys and types; a list is the set of the shapes of its members."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(shape(inner), sort_keys=True) for inner in value})
    return type(value).__name__


def lines_without_numbers(text):
    """The kinds of lines, whatever addresses, names and numbers stand in them."""
    text = re.sub(r"[0-9A-F]{8}:[0-9A-F]{4}", "A:P", text)
    text = re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", text)
    return sorted({re.sub(r"\d+ *", "N ", line).rstrip() for line in text.splitlines()})


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("os-release", "cat /etc/os-release"),
        ("uname", "uname -r"),
        ("nft-version", "sudo nft --version"),
        ("proxyMode", "curl -s localhost:10249/proxyMode"),
        ("nft-json-service-ips", "sudo nft -j list map ip kube-proxy service-ips"),
        ("nft-json-list-table-ip-kube-proxy", "sudo nft -j list table ip kube-proxy"),
    ],
)
def test_an_ipvs_node_answers_word_for_word(shared, recordings, name, command):
    done = shared.ssh(NODE, command)
    output, status = recorded(recordings, "ipvs", name)
    assert (done.stdout + done.stderr, done.returncode) == (output, status)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("proc-net-ip_vs", "cat /proc/net/ip_vs"),
        ("ipvsadm-list", "sudo ipvsadm -Ln"),
    ],
)
def test_an_ipvs_node_shows_the_recorded_lines(shared, recordings, name, command):
    output, status = recorded(recordings, "ipvs", name)
    done = shared.ssh(NODE, command)
    ours, real = lines_without_numbers(done.stdout), lines_without_numbers(output)
    assert set(real) <= set(ours)
    assert done.returncode == status


def test_the_connections_of_ipvs_are_in_the_recorded_columns(shared, recordings):
    output, _ = recorded(recordings, "ipvs", "proc-net-ip_vs_conn")
    head, first, *_ = output.splitlines()
    ours = shared.ssh(NODE, "sudo cat /proc/net/ip_vs_conn").stdout.splitlines()
    assert ours[0] == head
    assert len(ours) == 4
    assert {len(line) for line in ours[1:]} == {len(first)}
    assert ours[1].split()[7] == "ESTABLISHED"


def comparable(text):
    """The effective configuration without what names the node."""
    [config] = json.loads(text).values()
    return {key: value for key, value in config.items() if key != "hostnameOverride"}


def test_the_effective_configuration_is_the_recorded_one(shared, recordings):
    output, _ = recorded(recordings, "ipvs", "configz")
    done = shared.ssh(NODE, "curl -s localhost:10249/configz")
    assert comparable(done.stdout) == comparable(output)


def test_kube_ipvs0_is_shown_as_recorded(shared, recordings):
    output, _ = recorded(recordings, "ipvs", "ip-link-kube-ipvs0")
    done = shared.ssh(NODE, "ip link show kube-ipvs0")
    mac = re.compile(r"link/ether (\w\w:){5}\w\w")
    assert mac.sub("link/ether MAC", done.stdout) == mac.sub("link/ether MAC", output)


def test_kube_ipvs0_is_described_in_json_as_recorded(shared, recordings):
    output, _ = recorded(recordings, "ipvs", "ip-json-addr-kube-ipvs0")
    ours = json.loads(shared.ssh(NODE, "ip -j addr show kube-ipvs0").stdout)
    assert shape(ours) == shape(json.loads(output))
    assert "10.96.0.1" in {one["local"] for one in ours[0]["addr_info"]}


def test_what_needs_root_is_refused_to_others(shared):
    done = shared.ssh(NODE, "/usr/sbin/nft list tables")
    assert done.returncode == 1
    assert "Operation not permitted (you must be root)" in done.stderr
    assert shared.ssh(NODE, "cat /proc/net/ip_vs_conn").returncode == 1
    assert shared.ssh(NODE, "nft list tables").stderr == "bash: line 1: nft: command not found\n"


@pytest.fixture(scope="module")
def changed(start):
    """A lab whose one node has changed to nftables."""
    clients = start(nodes=1)
    clients.switch_to("nftables")
    clients.delete_proxy_of("lab-1-cp-1")
    clients.until(lambda: "ip6 kube-proxy" in clients.node("lab-1-cp-1")["tables"], "both tables")
    return clients


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("proc-net-ip_vs", "cat /proc/net/ip_vs"),
        ("proc-net-ip_vs_conn", "sudo cat /proc/net/ip_vs_conn"),
        ("ip-json-addr-kube-ipvs0", "ip -j addr show kube-ipvs0"),
        ("ip-link-kube-ipvs0", "ip link show kube-ipvs0"),
        ("nft-list-tables", "sudo nft list tables"),
        ("nft-list-table-ip6-kube-proxy", "sudo nft list table ip6 kube-proxy"),
        ("proxyMode", "curl -s localhost:10249/proxyMode"),
    ],
)
def test_a_changed_node_answers_word_for_word(changed, recordings, name, command):
    done = changed.ssh("lab-1-cp-1", command)
    output, status = recorded(recordings, "nftables", name)
    assert (done.stdout + done.stderr, done.returncode) == (output, status)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("nft-json-list-tables", "sudo nft -j list tables"),
        ("nft-json-service-ips", "sudo nft -j list map ip kube-proxy service-ips"),
    ],
)
def test_json_has_the_recorded_shape(changed, recordings, name, command):
    output, _ = recorded(recordings, "nftables", name)
    done = changed.ssh("lab-1-cp-1", command)
    assert shape(json.loads(done.stdout)) == shape(json.loads(output))


def test_each_rule_of_the_recorded_table_is_there(changed, recordings):
    output, _ = recorded(recordings, "nftables", "nft-json-list-table-ip-kube-proxy")
    done = changed.ssh("lab-1-cp-1", "sudo nft -j list table ip kube-proxy")
    # Which addresses, ports and marks a rule names depends on the cluster, what it does not.
    ours, real = (
        {json.dumps(shape(entry), sort_keys=True) for entry in json.loads(text)["nftables"]}
        for text in (done.stdout, output)
    )
    missing = {entry for entry in real - ours if "elem" not in entry and "prefix" not in entry}
    assert missing == set()


def test_the_text_of_the_table_is_laid_out_as_recorded(changed, recordings):
    output, _ = recorded(recordings, "nftables", "nft-list-table-ip-kube-proxy")
    done = changed.ssh("lab-1-cp-1", "sudo nft list table ip kube-proxy")
    ours, real = (lines_without_numbers(text) for text in (done.stdout, output))
    variable = re.compile(r"elements|numgen|goto|saddr !=")
    assert [line for line in real if line not in ours and not variable.search(line)] == []


def test_the_effective_configuration_follows_the_mode(changed, recordings):
    output, _ = recorded(recordings, "nftables", "configz")
    done = changed.ssh("lab-1-cp-1", "curl -s localhost:10249/configz")
    assert comparable(done.stdout) == comparable(output)


def test_metrics_have_the_recorded_names(changed, recordings):
    output, _ = recorded(recordings, "nftables", "metrics")
    ours = changed.ssh("lab-1-cp-1", "curl -s localhost:10249/metrics").stdout
    names = {line.split("{")[0].split(" ")[0] for line in ours.splitlines() if line[0] != "#"}
    real = {line.split("{")[0].split(" ")[0] for line in output.splitlines() if line[0] != "#"}
    assert names <= real
    wanted = r'^kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv[46]"} 1\.\d+e\+09$'
    assert len(re.findall(wanted, ours, re.MULTILINE)) == 2


def test_the_log_says_what_the_recorded_log_said(changed, recordings):
    real = (recordings / "node" / "nftables" / "kube-proxy.log.txt").read_text("utf-8")
    ours = changed.kubectl("logs", "-n", "kube-system", "ds/kube-proxy")
    message = re.compile(r'^[IE]\d{4} [\d:.]{15} +1 (\S+\] "[^"]*")', re.MULTILINE)
    wanted = {text for text in message.findall(real) if "iptables-restore" not in text}
    assert wanted <= set(message.findall(ours))
