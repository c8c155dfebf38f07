"""What a verdict tells a person to type: each command runs on a node, or with kubectl, as it is."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nftwave import prove
from nftwave.evidence import Standing
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.lab.launch import running_lab
from nftwave.look import look_at_api
from nftwave.node.parse import COMMANDS
from nftwave.verify import verify_all

NODE = "lab-1-node-1"
KUBECTL = Path(sys.executable).parent / "kubectl"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("commands") / "lab", nodes=2, speed=60) as one:
        yield one


def over_ssh(lab, command):
    # Root's PATH: what a person has after `sudo -i`.
    words = ["ssh", "-F", lab.ssh_config, NODE, f"sudo sh -c {shlex.quote(command)}"]
    return subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)


def with_kubectl(lab, command):
    command = command.replace("kubectl", f"{KUBECTL} --kubeconfig {lab.kubeconfig('lab-1')}")
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=20, check=False
    )


MEANS_NOTHING = {
    "ip addr show kube-ipvs0": "does not exist",
    "systemctl": "ufw.conf: No such file",
    "nft list map": "No such file or directory",
}
"""Commands that rightly end with an error, and what they then say."""


def runs(done, command):
    said = done.stdout + done.stderr
    if done.returncode == 0:
        return bool(said.strip())
    if "grep" in command and done.returncode == 1:
        return not said  # there is no such line
    return any(start in command and words in said for start, words in MEANS_NOTHING.items())


def verdict_on_node(lab, mode="nftables"):
    cluster = load_fleet(lab.fleet_file).cluster("lab-1")
    gateway = connect(cluster)
    verdicts = verify_all(look_at_api(cluster, gateway), gateway, deadline=0, mode=mode)
    return next(v for v in verdicts if v.node == NODE)


def assert_all_run(lab, verdict):
    commands = {e.command for e in verdict.evidence}
    assert len(commands) > 10
    for command in commands:
        way = with_kubectl if command.startswith("kubectl") else over_ssh
        done = way(lab, command)
        assert runs(done, command), f"{command}\n{done.returncode} {done.stdout} {done.stderr}"


def test_every_command_of_a_failed_nodes_verdict_runs_as_it_is_printed(lab):
    verdict = verdict_on_node(lab)
    assert verdict.standing is Standing.FAILED, "a node in ipvs mode"
    assert_all_run(lab, verdict)


def test_every_command_of_a_verdict_on_ipvs_mode_runs_as_it_is_printed(lab):
    verdict = verdict_on_node(lab, "ipvs")
    assert verdict.standing is Standing.VERIFIED, verdict.why()
    assert_all_run(lab, verdict)


def test_every_command_of_a_verified_nodes_verdict_runs_as_it_is_printed(cluster):
    cluster.migrate()
    verdict = verdict_on_node(cluster.lab)
    assert verdict.standing is Standing.VERIFIED
    assert_all_run(cluster.lab, verdict)


def test_a_node_that_is_slow_to_look_at_is_looked_at_twice_all_the_same(cluster, monkeypatch):
    cluster.migrate()
    monkeypatch.setattr(prove, "APART", 0.001)  # no look is quicker
    assert verdict_on_node(cluster.lab).standing is Standing.VERIFIED


def test_every_command_of_a_verdict_by_exec_runs_as_it_is_printed(cluster):
    cluster.migrate()
    fleet = cluster.lab.fleet_file
    fleet.write_text(f"access: exec\n{fleet.read_text()}")
    verdict = verdict_on_node(cluster.lab)
    assert any(" exec kube-proxy-" in e.command for e in verdict.evidence)
    assert_all_run(cluster.lab, verdict)


@pytest.mark.parametrize("field", [name for name in COMMANDS if name != "proxy_nft"])
def test_the_command_behind_every_fact_runs_on_a_node(lab, field):
    done = over_ssh(lab, COMMANDS[field])
    assert runs(done, COMMANDS[field]), f"{done.returncode} {done.stdout} {done.stderr}"
