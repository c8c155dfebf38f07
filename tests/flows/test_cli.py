"""`nftwave …` as a person types it: a process of its own, its output and its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

NFTWAVE = Path(sys.executable).parent / "nftwave"


def run(*words, lab=None, check=None, **environment):
    fleet = {"NFTWAVE_FLEET": str(lab.fleet_file)} if lab else {}
    done = subprocess.run(
        [NFTWAVE, *words],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "COLUMNS": "100", **fleet, **environment},
    )
    assert "Traceback" not in done.stderr, done.stderr
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def test_help_imports_nothing_that_is_slow():
    code = (
        "import sys; from flows import cli\n"
        "try: cli.app(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'prefect', 'kubernetes', 'paramiko', 'asyncssh', 'aiohttp', 'pydantic'}\n"
        "print('SLOW', sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "SLOW []" in done.stdout
    commands = "check plan status migrate verify approve lab demo fleet"
    for command in commands.split():
        assert command in done.stdout


def test_read_only_commands_import_no_prefect(cluster):
    code = (
        "import sys; from flows import cli\n"
        "for command in ('check', 'plan', 'verify', 'status'):\n"
        "    try: cli.app([command, 'lab-1'])\n"
        "    except SystemExit: pass\n"
        "print('PREFECT', 'prefect' in sys.modules)"
    )
    environment = {**os.environ, "NFTWAVE_FLEET": str(cluster.lab.fleet_file)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert "PREFECT False" in done.stdout


def test_check_says_what_each_node_told_and_changes_nothing(cluster):
    done = run("check", "lab-1", lab=cluster.lab, check=0)
    assert "lab-1-node-1" in done.stdout
    assert "connections-cut" in done.stdout
    assert "can be migrated" in done.stdout
    assert cluster.mutations() == []


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_data_goes_to_stdout_and_nothing_else_does(cluster, output):
    done = run("check", "lab-1", "-o", output, lab=cluster.lab, check=0)
    data = json.loads(done.stdout) if output == "json" else YAML(typ="safe").load(done.stdout)
    assert data["mode"] == "ipvs"
    assert data["nodes"]["lab-1-node-1"]["proxy_mode"] == "ipvs"
    notes = {"ipvs-ends", "strict-arp", "clusterip-ping", "localhost-nodeports"}
    assert {f["code"] for f in data["findings"]} == {"connections-cut", *notes}
    assert done.stderr


def test_check_exits_3_where_something_would_break(cluster):
    cluster.lab.fault("lab-1", "lab-1-node-1", "nft-missing")
    done = run("check", "lab-1", lab=cluster.lab, check=3)
    assert "nft-missing" in done.stdout
    assert "install the package nftables" in done.stdout
    refused = run("plan", "lab-1", lab=cluster.lab, check=3)
    assert "nft-missing" in refused.stderr
    assert refused.stdout == ""


def test_plan_shows_the_diff_and_what_is_at_stake(cluster):
    done = run("plan", "lab-1", lab=cluster.lab, check=0)
    assert "-mode: ipvs" in done.stdout
    assert "+mode: nftables" in done.stdout
    assert "9 connections" in " ".join(done.stdout.split())
    told = json.loads(run("plan", "lab-1", "-o", "json", lab=cluster.lab, check=0).stdout)
    assert told["hash"] in done.stdout
    assert cluster.mutations() == []


def test_verify_fails_an_ipvs_cluster_and_shows_the_evidence_with_its_commands(cluster):
    done = run("verify", "lab-1", "--evidence", lab=cluster.lab, check=1)
    assert "0 of 3 nodes verified" in done.stdout
    assert "nft list tables" in done.stdout


def test_verify_proves_ipvs_where_it_is_asked_for(cluster):
    done = run("verify", "lab-1", "--mode", "ipvs", "-o", "json", lab=cluster.lab, check=0)
    assert "3 of 3 nodes verified to run ipvs mode" in done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {(v["standing"], v["mode"]) for v in verdicts} == {("verified", "ipvs")}
    refused = run("verify", "lab-1", "--mode", "iptables", lab=cluster.lab, check=2)
    assert "nftables" in refused.stderr


def test_a_cluster_can_be_named_without_a_fleet_file(cluster):
    # The lab's SSH port and keys stand in its ssh config.
    kubeconfig = cluster.lab.kubeconfig("lab-1")
    words = ("check", "--kubeconfig", str(kubeconfig), "--context", "lab-1", "-o", "json")
    done = run(*words)
    assert json.loads(done.stdout)["server"] == "v1.36.2"


MISTAKES = [
    (("check",), "no cluster given"),
    (("check", "nope"), 'no cluster "nope"'),
    (("migrate", "lab-9"), "near it: lab-1"),
    (("check", "lab-1", "--fleet", "/nope.yaml"), "/nope.yaml"),
    (("check", "--kubeconfig", "/nope"), "--context is missing"),
    (("check", "--context", "x"), "--kubeconfig is missing"),
    (("check", "--kubeconfig", "/nope", "--context", "x"), "/nope"),
    (("check", "--kubeconfig", "KUBECONFIG", "--context", "other"), "lab-1"),
    (("approve", "not-a-run", "--approver", "A", "--reason", "x"), "no flow run"),
]


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_bad_input_is_one_clear_line_and_exit_status_2(cluster, prefect, words, told):
    kubeconfig = str(cluster.lab.kubeconfig("lab-1"))
    words = [kubeconfig if word == "KUBECONFIG" else word for word in words]
    done = run(*words, lab=cluster.lab, check=2)
    assert told in done.stderr
    assert done.stdout == ""
    assert cluster.state["api"]["requestCount"] == 0


def test_a_mistake_in_the_fleet_file_names_file_line_and_field(cluster):
    cluster.write_policy(parallelism="many")
    done = run("migrate", "lab-1", lab=cluster.lab, check=2)
    told = done.stderr
    assert "fleet.yaml:" in told
    assert "policy.parallelism" in told
    assert '"many"' in told


def test_an_api_server_that_is_away_is_said_so(cluster):
    fleet, kubeconfig = cluster.lab.fleet_file, cluster.lab.kubeconfig("lab-1")
    kubeconfig.write_text(kubeconfig.read_text().replace(cluster.state["api"]["url"], DEAD))
    done = run("check", "lab-1", NFTWAVE_FLEET=str(fleet), check=1)
    assert "no answer from the API server at https://127.0.0.1:9" in done.stderr
    assert "next:" in done.stderr


DEAD = "https://127.0.0.1:9"


def start(cluster, *words):
    return subprocess.Popen(
        [NFTWAVE, "migrate", "lab-1", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NFTWAVE_FLEET": str(cluster.lab.fleet_file), "COLUMNS": "200"},
    )


def read_until(child, text):
    seen = []
    for line in child.stderr:
        seen.append(line)
        if text in line:
            return "".join(seen)
    raise AssertionError("".join(seen))


def approve_from_another_terminal(child, *words):
    told = read_until(child, "nftwave approve")
    run_id = told.rpartition("nftwave approve ")[2].split()[0]
    run("approve", run_id, "--approver", "Ann", "--reason", "looked at it", *words, check=0)
    return run_id


def test_a_run_is_approved_from_another_terminal_plan_and_canary(cluster, prefect):
    child = start(cluster)
    run_id = approve_from_another_terminal(child)
    approve_from_another_terminal(child)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "Approved: the plan by Ann (ui): looked at it" in out
    assert "3 nodes" in out
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]
    late = run("approve", run_id, "--approver", "Bob", "--reason", "too late", check=2)
    assert "waits for nothing" in late.stderr


def test_a_canary_is_taken_back_from_another_terminal(cluster, prefect):
    before = cluster.config_map()["data"], cluster.daemon_set()["spec"]
    child = start(cluster)
    approve_from_another_terminal(child)
    approve_from_another_terminal(child, "--rollback")
    out, err = child.communicate(timeout=60)
    assert child.returncode == 5, err
    assert "rolled back" in out
    assert (cluster.config_map()["data"], cluster.daemon_set()["spec"]) == before
    assert set(cluster.modes().values()) == {"ipvs"}


@pytest.mark.parametrize(("number", "by"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_stopping_between_two_nodes_ends_the_one_in_hand_and_says_both_ways(
    slow_cluster, prefect, number, by
):
    child = start(slow_cluster, "--approve", "auto")
    read_until(child, "deleted")
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1, err
    assert f"stopped by {by} during canary" in out
    assert "1 of 7 nodes proven in nftables mode" in out
    fleet = f"--fleet {slow_cluster.lab.fleet_file}"
    assert f"to go on: nftwave migrate lab-1 {fleet}" in out
    assert f"to go back: nftwave rollback lab-1 {fleet}" in out
    assert "Traceback" not in err
    assert slow_cluster.daemon_set()["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert sorted(slow_cluster.modes().values()).count("nftables") == 1
    flipped = {n: slow_cluster.pods()[n] for n, m in slow_cluster.modes().items() if m != "ipvs"}

    again = slow_cluster.migrate()
    assert again.status == "done", again.what
    assert {n: slow_cluster.pods()[n] for n in flipped} == flipped


@pytest.mark.parametrize(("number", "by"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_stopping_a_rollout_holds_it_and_says_what_was_done_and_what_not(
    slow_cluster, prefect, number, by
):
    slow_cluster.write_policy(strategy="rolling")
    child = start(slow_cluster, "--approve", "auto")
    read_until(child, "restarting kube-proxy")
    wait_for_first_flip(slow_cluster)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1, err
    assert f"stopped by {by} during the restart of kube-proxy" in out
    assert "held (updateStrategy OnDelete)" in out
    assert "to go on: nftwave migrate lab-1" in out
    assert slow_cluster.daemon_set()["spec"]["updateStrategy"] == {"type": "OnDelete"}
    assert "Traceback" not in err
    flipped = {n: slow_cluster.pods()[n] for n, m in slow_cluster.modes().items() if m != "ipvs"}
    assert 0 < len(flipped) < 7

    again = slow_cluster.migrate()
    assert again.status == "done", again.what
    assert {n: slow_cluster.pods()[n] for n in flipped} == flipped


def wait_for_first_flip(cluster):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if "nftables" in cluster.modes().values():
            return
        time.sleep(0.05)
    raise AssertionError("no node was flipped")


def test_stopping_before_the_approval_changes_nothing(cluster, prefect):
    child = start(cluster)
    read_until(child, "nftwave approve")
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "during waiting for approval" in out
    assert "Nothing in the cluster was changed." in out
    assert cluster.mutations() == []
