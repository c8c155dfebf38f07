"""Each fault, seen from outside and in the lab's own state; and that clearing it heals."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from nftwave.lab.control import LabError
from nftwave.lab.faults import FAULTS

NODE = "lab-1-node-1"
KUBECTL = Path(sys.executable).parent / "kubectl"


def change(clients, node=NODE):
    clients.switch_to("nftables")
    clients.delete_proxy_of(node)


def proxy_state(clients, node=NODE):
    return (clients.node(node)["kubeProxy"] or {}).get("state")


def pod_of(clients, node=NODE):
    return clients.node(node)["kubeProxy"]["pod"]


def running_pod(clients, node=NODE):
    proxy = clients.node(node)["kubeProxy"] or {}
    return proxy.get("pod") if proxy.get("state") == "running" else None


def crash_looping(clients):
    """The kube-proxy pod of the node while it waits for its next start."""

    def look():
        if proxy_state(clients) != "CrashLoopBackOff":
            return None
        text = clients.kubectl("get", "-n", "kube-system", "pod", pod_of(clients), "-o", "json")
        [container] = json.loads(text)["status"]["containerStatuses"]
        return json.loads(text) if "waiting" in container["state"] else None

    return clients.until(look, "a crash loop")


def node_object(clients, node=NODE):
    return json.loads(clients.kubectl("get", "node", node, "-o", "json"))


def address_of(clients, node=NODE):
    return clients.node(node)["address"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("old-kernel", "kube-proxy in nftables mode requires kernel 5.13 or later"),
        ("nft-missing", 'exec: \\"nft\\": executable file not found in $PATH'),
        ("image-without-nft", 'exec: \\"nft\\": executable file not found in $PATH'),
        ("crashloop", "unable to create proxier"),
    ],
)
def test_a_node_that_cannot_run_nftables_is_wiped_and_then_crash_loops(fresh, fault, said):
    fresh.lab.fault("lab-1", NODE, fault)
    change(fresh)
    pod = crash_looping(fresh)
    container = pod["status"]["containerStatuses"][0]
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert container["restartCount"] >= 1
    node = fresh.node(NODE)
    assert node["mode"] is None
    assert node["virtualServers"] == []
    assert [table for table in node["tables"] if "kube-proxy" in table] == []
    name = pod["metadata"]["name"]
    log = fresh.kubectl("logs", "-n", "kube-system", name, "--previous")
    assert '"Using nftables Proxier"' in log
    assert said in log
    assert fresh.ssh(NODE, "curl -s localhost:10249/proxyMode").returncode == 7
    fresh.lab.clear("lab-1", NODE, fault)
    fresh.until(lambda: "ip kube-proxy" in fresh.node(NODE)["tables"], "healed by a restart")
    assert pod_of(fresh) == name


def test_a_crash_looping_pod_has_the_recorded_shape(fresh, recordings):
    fresh.lab.fault("lab-1", NODE, "image-without-nft")
    change(fresh)
    ours = crash_looping(fresh)["status"]
    text = (recordings / "node" / "nftables-no-nft" / "pod.json").read_text(encoding="utf-8")
    real = json.loads(text)["items"][0]["status"]
    assert set(ours) == set(real)
    [mine], [recorded] = ours["containerStatuses"], real["containerStatuses"]
    assert set(mine) == set(recorded)
    assert mine["state"]["waiting"]["message"].startswith("back-off ")
    assert set(mine["lastState"]["terminated"]) == set(recorded["lastState"]["terminated"])
    assert [(one["type"], one["status"]) for one in ours["conditions"]] == [
        (one["type"], one["status"]) for one in real["conditions"]
    ]
    reasons = fresh.kubectl(
        "get", "-n", "kube-system", "events", "-o", "jsonpath={.items[*].reason}"
    ).split()
    assert {"Scheduled", "Pulled", "Created", "Started", "BackOff", "Killing"} <= set(reasons)


def test_an_old_kernel_shows_in_the_node_object_and_on_the_node(fresh):
    fresh.lab.fault("lab-1", NODE, "old-kernel")
    release = node_object(fresh)["status"]["nodeInfo"]["kernelVersion"]
    assert release.startswith("5.10.")
    assert fresh.ssh(NODE, "uname -r").stdout.strip() == release


def test_nft_is_missing_on_the_node_only_where_the_fault_says_so(fresh):
    fresh.lab.fault("lab-1", NODE, "nft-missing")
    fresh.lab.fault("lab-1", "lab-1-node-2", "image-without-nft")
    missing = fresh.ssh(NODE, "sudo -n nft list tables")
    assert (missing.returncode, missing.stderr) == (1, "sudo: nft: command not found\n")
    assert fresh.ssh("lab-1-node-2", "sudo -n nft list tables").returncode == 0


def test_a_proxy_that_never_syncs_looks_well_in_every_other_way(fresh):
    fresh.lab.fault("lab-1", NODE, "never-syncs")
    change(fresh)
    fresh.until(lambda: fresh.node(NODE)["mode"] == "nftables", "the new mode")
    assert fresh.ssh(NODE, "curl -s localhost:10249/proxyMode").stdout == "nftables"
    assert fresh.ssh(NODE, "curl -s -f localhost:10256/healthz").returncode == 0
    metrics = fresh.ssh(NODE, "curl -s localhost:10249/metrics").stdout
    assert "last_timestamp_seconds{" not in metrics
    assert "kube-proxy" not in fresh.ssh(NODE, "sudo nft list tables").stdout
    fresh.lab.clear("lab-1", NODE)
    fresh.until(lambda: "ip6 kube-proxy" in fresh.node(NODE)["tables"], "synced after all")


def test_an_image_that_cannot_be_pulled_keeps_the_pod_waiting(fresh):
    fresh.lab.fault("lab-1", NODE, "image-pull")
    change(fresh)
    fresh.until(lambda: proxy_or_waiting(fresh) == "ImagePullBackOff", "waiting for the image")
    assert fresh.node(NODE)["virtualServers"], "nothing was wiped: kube-proxy never started"
    fresh.lab.clear("lab-1")
    fresh.until(lambda: fresh.node(NODE)["mode"] == "nftables", "pulled after all")


def proxy_or_waiting(clients):
    pods = json.loads(
        clients.kubectl(
            "get",
            "-n",
            "kube-system",
            "pods",
            "-l",
            "k8s-app=kube-proxy",
            "--field-selector",
            f"spec.nodeName={NODE}",
            "-o",
            "json",
        )
    )["items"]
    statuses = [one for pod in pods for one in pod["status"].get("containerStatuses", [])]
    return next((one["state"].get("waiting", {}).get("reason") for one in statuses), None)


def test_a_silent_kubelet_neither_ends_nor_starts_pods(fresh):
    fresh.lab.fault("lab-1", NODE, "node-not-ready")
    ready = [one for one in node_object(fresh)["status"]["conditions"] if one["type"] == "Ready"]
    assert ready[0]["status"] == "Unknown"
    old = fresh.delete_proxy_of(NODE)
    fresh.delete_proxy_of("lab-1-node-2")
    fresh.until(lambda: proxy_state(fresh, "lab-1-node-2") == "running", "the other node")
    assert pod_of(fresh) == old
    assert fresh.ssh(NODE, "hostname").stdout == f"{NODE}\n"
    fresh.lab.clear()
    fresh.until(lambda: running_pod(fresh) not in {None, old}, "a new pod at last")
    ready = [one for one in node_object(fresh)["status"]["conditions"] if one["type"] == "Ready"]
    assert ready[0]["status"] == "True"


def test_ssh_is_refused_and_comes_back(fresh):
    assert fresh.ssh(NODE, "true").returncode == 0
    fresh.lab.fault("lab-1", NODE, "ssh-refused")
    done = fresh.ssh(NODE, "true")
    assert done.returncode == 255
    assert "Connection refused" in done.stderr
    fresh.lab.clear("lab-1", NODE, "ssh-refused")
    assert fresh.ssh(NODE, "true").returncode == 0


def test_ssh_hangs_without_a_banner(fresh):
    fresh.lab.fault("lab-1", NODE, "ssh-hangs")
    with socket.create_connection((address_of(fresh), ssh_port(fresh)), timeout=5) as connection:
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        fresh.lab.clear("lab-1", NODE)
        connection.settimeout(5)
        assert connection.recv(1) == b""
    assert fresh.ssh(NODE, "true").returncode == 0


def ssh_port(clients):
    line = next(
        line for line in clients.lab.fleet_file.read_text("utf-8").splitlines() if "port:" in line
    )
    return int(line.split(":")[1])


def test_another_host_key_is_noticed_by_a_client_that_looks(fresh):
    fresh.lab.fault("lab-1", NODE, "host-key-changed")
    done = fresh.ssh(NODE, "true")
    assert done.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in done.stderr
    fresh.lab.clear("lab-1", NODE)
    assert fresh.ssh(NODE, "true").returncode == 0


@pytest.mark.parametrize("fault", ["api-429", "api-500", "api-reset"])
def test_faults_of_the_api_hit_some_requests_and_end(fresh, fault):
    fresh.lab.fault("lab-1", "-", fault)
    assert fresh.lab.state()["clusters"]["lab-1"]["api"]["faults"] == [fault]
    raw = [fresh.kubectl("get", "--raw", "/api/v1/nodes", check=False) for _ in range(6)]
    fresh.lab.clear("lab-1", "-", fault)
    clean = [fresh.kubectl("get", "--raw", "/api/v1/nodes") for _ in range(3)]
    assert len(set(clean)) == 1
    assert fresh.lab.state()["clusters"]["lab-1"]["api"]["faults"] == []
    if fault == "api-500":
        assert "" in raw


def test_a_lost_delete_is_repeated_by_nobody_and_seen_in_the_list_of_attempts(fresh):
    fresh.lab.fault("lab-1", "-", "api-lost:1@delete/pods")
    name = pod_of(fresh)
    lost = fresh.kubectl("delete", "-n", "kube-system", "pod", name, "--wait=false", check=False)
    assert "deleted" not in lost
    fresh.until(lambda: running_pod(fresh) not in {None, name}, "its successor all the same")
    [attempt] = [one for one in fresh.lab.attempts() if one["method"] == "DELETE"]
    assert attempt["path"] == f"/api/v1/namespaces/kube-system/pods/{name}"
    assert (attempt["status"], attempt["fault"], attempt["dryRun"]) == (200, "api-lost", False)
    assert attempt["userAgent"].startswith("kubectl")
    assert fresh.lab.state()["clusters"]["lab-1"]["api"]["faults"] == []


def test_a_hanging_api_answers_again_when_cleared(fresh):
    fresh.lab.fault("lab-1", "-", "api-hang:2")
    said = fresh.kubectl("get", "--raw", "/version", "--request-timeout=0.3s", check=False)
    assert said == ""
    fresh.lab.clear("lab-1", "-", "api-hang:2")
    assert "gitVersion" in fresh.kubectl("get", "--raw", "/version")


def test_a_watch_that_is_gone_ends_with_what_it_has_seen(fresh):
    fresh.lab.fault("lab-1", "-", "api-410")
    watched = ("get", "-n", "kube-system", "pods", "--watch-only", "--request-timeout=20s")
    with subprocess.Popen(
        [KUBECTL, "--kubeconfig", fresh.lab.kubeconfig("lab-1"), *watched],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        fresh.until(lambda: watches(fresh), "the watch")
        fresh.delete_proxy_of(NODE)
        said, _ = process.communicate(timeout=20)
    assert "too old resource version" in said


def watches(clients):
    rows = clients.lab.state()["clusters"]["lab-1"]["api"]["requests"]
    return [row for row in rows if (row["verb"], row["resource"]) == ("watch", "pods")]


@pytest.mark.parametrize(
    ("cluster", "node", "name", "says"),
    [
        ("lab-1", NODE, "no-such", "no fault 'no-such': there are always-busy, api-410"),
        ("lab-1", "nobody", "slow-sync", "no node 'nobody' in lab-1: there are lab-1-cp-1"),
        ("lab-9", NODE, "slow-sync", "no cluster 'lab-9': there are lab-1"),
        ("lab-1", NODE, "api-500", "its node is -"),
        ("lab-1", NODE, "api-lost:1@delete/pods", "its node is -"),
        ("lab-1", "-", "api-lost:often", "is no API fault: say NAME"),
        ("lab-1", "-", "slow-sync", "name the node"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_in_words(shared, cluster, node, name, says):
    with pytest.raises(LabError, match=says):
        shared.lab.fault(cluster, node, name)


def test_every_fault_has_one_line_that_says_what_it_does():
    assert all(what and "\n" not in what for what in FAULTS.values())


def test_the_page_on_the_lab_lists_every_fault_as_the_program_does():
    page = (Path(__file__).parents[3] / "docs" / "lab.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and "` | " in line]
    listed = {row.split("`")[1]: row.split(" | ")[1].removesuffix(" |") for row in rows}
    assert {name: what for name, what in listed.items() if name in FAULTS} == FAULTS


def test_faults_of_the_start_are_there_from_the_start(start):
    clients = start(nodes=2, faults=[(NODE, "old-kernel"), ("-", "api-429")])
    assert clients.node(NODE)["faults"] == ["old-kernel"]
    assert clients.lab.state()["clusters"]["lab-1"]["api"]["faults"] == ["api-429"]


def test_a_password_is_never_asked(shared):
    done = subprocess.run(
        ["ssh", "-F", shared.lab.ssh_config, "-o", "BatchMode=yes", "-l", "root", NODE, "id"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr
