"""Processes, listeners, units, sets and iptables chains of a lab node."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.lab.world.test_node_commands import recorded

NODE = "lab-1-node-1"
# Whose socket is it: the inode in /proc/net/tcp, the process that has it, its pod.
HOLDER = r"""
set -- $(grep ':2809 .* 0A ' /proc/net/tcp); shift 9; inode=$1
for comm in /proc/[0-9]*/comm; do
  case $(ls -l ${comm%/comm}/fd) in *"socket:[$inode]"*) cat $comm ${comm%/comm}/cgroup;; esac
done
"""


@pytest.fixture(scope="module")
def changed(start):
    """A lab of two nodes that have changed to nftables; another process answers on one."""
    clients = start(nodes=3, faults=[("lab-1-node-2", "other-process")])
    clients.switch_to("nftables")
    for node in (NODE, "lab-1-node-2"):
        clients.delete_proxy_of(node)
        clients.until(lambda: "ip6 kube-proxy" in clients.node(node)["tables"], "both tables")  # noqa: B023  asked at once
    return clients


def names(text):
    """The chains of kube-proxy in the output of iptables-save."""
    return set(re.findall(r"^:(KUBE-\S+) - \[0:0\]$", text, re.MULTILINE))


def test_the_listener_on_10249_belongs_to_the_pod(shared):
    done = shared.ssh(NODE, "sudo sh -s", stdin=HOLDER)
    comm, cgroup = done.stdout.splitlines()
    uid = shared.node(NODE)["kubeProxy"]["uid"]
    assert comm == "kube-proxy"
    assert f"pod{uid.replace('-', '_')}.slice/cri-containerd-" in cgroup
    denied = shared.ssh(NODE, "ls /proc/[0-9]*/fd")
    assert denied.returncode == 2
    assert "Permission denied" in denied.stderr


def test_another_process_holds_the_listener_where_the_fault_says_so(changed):
    uid = changed.node("lab-1-node-2")["kubeProxy"]["uid"].replace("-", "_")
    comm, cgroup = changed.ssh("lab-1-node-2", "sudo sh -s", stdin=HOLDER).stdout.splitlines()
    assert comm == "kube-proxy"
    assert "kubepods" in cgroup
    assert uid not in cgroup
    assert len(changed.ssh("lab-1-node-2", "ls /proc/[0-9]*/comm").stdout.splitlines()) == 2


def test_ss_shows_who_listens(shared):
    shown = shared.ssh(NODE, "sudo ss -ltnp | grep :10249").stdout
    start = "LISTEN 0 4096 127.0.0.1:10249 0.0.0.0:* "
    assert re.fullmatch(re.escape(start) + r'users:\(\("kube-proxy",pid=\d+,fd=\d+\)\)\n', shown)
    assert "*:10256" in shared.ssh(NODE, "ss -ltnH").stdout


def test_a_kube_proxy_that_does_not_serve_listens_nowhere(start):
    clients = start(nodes=2, faults=[(NODE, "ready-without-rules")])
    clients.switch_to("nftables")
    clients.delete_proxy_of(NODE)
    clients.until(lambda: clients.node(NODE)["virtualServers"] == [], "the wipe")
    assert clients.ssh(NODE, "cat /proc/[0-9]*/comm").stdout == "kube-proxy\n"
    assert clients.ssh(NODE, "ss -ltnH").stdout == ""


def test_a_node_has_been_up_for_longer_and_longer(shared):
    first, second = shared.ssh(NODE, "cat /proc/uptime; sleep 0.1; cat /proc/uptime").stdout.split(
        "\n", 1
    )
    assert 0.05 < float(second.split()[0]) - float(first.split()[0]) < 10


def test_units_are_active_or_not(shared):
    done = shared.ssh(NODE, "systemctl is-active firewalld ufw nftables")
    assert (done.stdout, done.returncode) == ("inactive\n" * 3, 3)
    done = shared.ssh(NODE, "systemctl is-active kubelet firewalld")
    assert (done.stdout, done.returncode) == ("active\ninactive\n", 0)
    assert shared.ssh(NODE, "systemctl is-active --quiet firewalld").returncode == 4


@pytest.mark.parametrize("program", ["iptables-save", "ip6tables-save"])
def test_iptables_chains_are_those_that_were_recorded(shared, recordings, program):
    output, _ = recorded(recordings, "ipvs", program)
    done = shared.ssh(NODE, f"sudo {program}")
    # The kubelet's own chain for packets to loopback is not kube-proxy's.
    assert names(done.stdout) == names(output) - {"KUBE-FIREWALL"}
    tables = re.findall(r"^\*\w+$", done.stdout, re.MULTILINE)
    assert tables == re.findall(r"^\*\w+$", output, re.MULTILINE)
    assert "-A OUTPUT -j KUBE-SERVICES" in done.stdout
    refused = shared.ssh(NODE, f"/usr/sbin/{program}")
    assert (refused.returncode, "you must be root" in refused.stderr) == (4, True)


def test_after_the_change_few_chains_are_left(changed):
    shown = changed.ssh(NODE, "sudo iptables-save").stdout
    left = {"KUBE-MARK-MASQ", "KUBE-PROXY-FIREWALL"}
    assert names(shown) - {"KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"} == left
    listed = changed.ssh(NODE, "sudo iptables -t nat -S").stdout
    assert "-N KUBE-MARK-MASQ\n" in listed
    assert "-P PREROUTING ACCEPT\n" in listed


def set_names(recordings, state):
    output, _ = recorded(recordings, state, "ipset-list")
    return set(re.findall(r"^Name: (\S+)$", output, re.MULTILINE))


def test_sets_are_those_that_were_recorded(shared, changed, recordings):
    before = shared.ssh(NODE, "sudo ipset list -n").stdout.split()
    assert set(before) == set_names(recordings, "ipvs")
    after = changed.ssh(NODE, "sudo ipset list -n").stdout.split()
    assert set(after) == set_names(recordings, "nftables")


def test_a_shell_reads_its_script_no_further_than_to_its_exit(shared):
    script = "echo begun; cat; echo done; exit 3\n"
    done = shared.ssh(NODE, "sh -s", stdin=script)
    assert (done.stdout, done.returncode) == ("begun\ndone\n", 3)
    begun = subprocess.Popen(
        ["ssh", "-F", shared.lab.ssh_config, NODE, "sh -s"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    begun.stdin.write(script)
    begun.stdin.flush()
    assert begun.stdout.readline() == "begun\n"
    assert begun.communicate("for the cat\n", timeout=10)[0] == "for the cat\ndone\n"
    assert begun.returncode == 3
