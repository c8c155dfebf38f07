"""Single commands in a node's kube-proxy container, as `kubectl exec` runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

NODE = "lab-1-node-1"


def run(clients, *command, pod=None):
    """`kubectl exec` in a pod, or the kube-proxy pod of the node."""
    pod = pod or clients.node(NODE)["kubeProxy"]["pod"]
    program = Path(sys.executable).parent / "kubectl"
    return subprocess.run(
        [
            program,
            f"--kubeconfig={clients.lab.kubeconfig('lab-1')}",
            "--namespace=kube-system",
            "exec",
            pod,
            "--",
            *command,
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def test_the_programs_of_the_image_show_the_node(shared):
    assert run(shared, "nft", "--version").stdout.startswith("nftables v1.")
    assert run(shared, "kube-proxy", "--version").stdout == "Kubernetes v1.36.2\n"
    assert "KUBE-CLUSTER-IP" in run(shared, "ipset", "list", "-n").stdout.split()
    assert "*nat\n" in run(shared, "/usr/sbin/iptables-save", "-t", "nat").stdout
    counted = run(shared, "conntrack", "-C").stdout
    assert counted == shared.ssh(NODE, "sudo conntrack -C").stdout


def test_the_tables_are_seen_as_on_the_node(start):
    clients = start(nodes=2)
    clients.switch_to("nftables")
    clients.delete_proxy_of(NODE)
    clients.until(lambda: "ip6 kube-proxy" in clients.node(NODE)["tables"], "both tables")
    words = ("nft", "-j", "list", "map", "ip", "kube-proxy", "service-ips")
    assert run(clients, *words).stdout == clients.ssh(NODE, "sudo " + " ".join(words)).stdout
    missing = run(clients, "nft", "list", "table", "ip", "nobody")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: No such file or directory\nlist table ip nobody\n")
    assert "command terminated with exit code 1" in missing.stderr


def test_there_is_no_shell_and_no_cat(shared):
    for name in ("sh", "cat"):
        done = run(shared, name)
        assert done.returncode == 1
        assert (
            "OCI runtime exec failed: exec failed: unable to start container process: "
            f'exec: "{name}": executable file not found in $PATH' in done.stderr
        )
    assert 'exec: "/bin/sh": stat /bin/sh: no such file' in run(shared, "/bin/sh").stderr


def test_an_image_without_nft_has_none(start):
    clients = start(nodes=2, faults=[(NODE, "image-without-nft")])
    assert 'exec: "nft": executable file not found' in run(clients, "nft", "list", "tables").stderr
    assert clients.ssh(NODE, "sudo nft list tables").returncode == 0


def test_a_container_that_does_not_run_takes_no_command(fresh):
    fresh.lab.fault("lab-1", NODE, "image-pull")
    fresh.delete_proxy_of(NODE)
    words = ("get", "pods", "-A", "--field-selector=status.phase=Pending")
    names = (*words, "-o", "jsonpath={.items[*].metadata.name}")
    pod = fresh.until(lambda: fresh.kubectl(*names), "a pod that waits")
    done = run(fresh, "nft", "--version", pod=pod)
    assert done.returncode == 1
    assert 'container not found ("kube-proxy")' in done.stderr


def test_a_silent_kubelet_takes_no_command(fresh):
    fresh.lab.fault("lab-1", NODE, "node-not-ready")
    done = run(fresh, "nft", "--version")
    assert done.returncode == 1
    assert "error dialing backend: dial tcp " in done.stderr


def test_exec_finds_a_pod_of_the_daemon_set_and_changes_nothing(shared):
    before = shared.lab.state()["clusters"]["lab-1"]["api"]["mutations"]
    out = shared.kubectl(
        "-n", "kube-system", "exec", "ds/kube-proxy", "--", "nft", "list", "tables"
    )
    assert "table ip nat" in out
    after = shared.lab.state()["clusters"]["lab-1"]["api"]
    assert after["mutations"] == before
    counted = {(row["verb"], row["resource"]): row["count"] for row in after["requests"]}
    assert counted["get", "pods/exec"] >= 1


def test_other_pods_have_nothing_to_run(start):
    clients = start(nodes=1)
    pods = json.loads(clients.kubectl("get", "pods", "-A", "-l", "k8s-app=kube-dns", "-o", "json"))
    done = run(clients, "nft", pod=pods["items"][0]["metadata"]["name"])
    assert 'exec: "nft": executable file not found' in done.stderr
