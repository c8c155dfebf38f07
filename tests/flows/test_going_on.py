"""Going on and going back after a failure, a kill or a stop: lock, status, retry, rollback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from nftwave.kube.objects import RESTARTED_AT
from tests.flows.driving import (
    CP,
    ONE,
    QUICK,
    TWO,
    as_it_was,
    meanwhile,
    replaced,
    strategy,
    wait_until,
    waiting,
)
from tests.flows.test_cli import approve_from_another_terminal, read_until, run, start
from tests.flows.test_migrate import settle

BY_ONE = {"soak": 0, "sizes": [1]}


def status_data(cluster):
    return json.loads(run("status", "lab-1", "-o", "json", lab=cluster.lab, check=0).stdout)


def test_a_killed_run_is_gone_on_with_at_once_and_nobody_is_asked_again(slow_cluster, prefect):
    cluster = slow_cluster
    child = start(cluster)
    approve_from_another_terminal(child)
    approve_from_another_terminal(child)
    read_until(child, "batch 1 of")
    read_until(child, "deleted")
    child.kill()
    child.communicate()
    lock = status_data(cluster)["lock"]
    assert (lock["host"], lock["purpose"]) == (socket.gethostname(), "migrate")
    proven = cluster.ledger().proven
    pods = cluster.pods()

    outcome = cluster.begin("ui").join()
    assert outcome.status == "done", outcome.words()
    assert {n: cluster.pods()[n] for n in proven} == {n: pods[n] for n in proven}
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]
    assert replaced(cluster) == 7
    (taken,) = cluster.ledger().takeovers
    assert f"pid {child.pid}" in taken
    assert "which has ended" in taken
    assert any(taken in change for change in outcome.changed)
    found = status_data(cluster)
    assert (found["phase"], found["lock"]["holder"]) == ("verified", "")
    assert found["takeovers"] == [taken]


def test_a_batch_that_failed_is_gone_on_with_under_the_same_plan(cluster):
    cluster.write_policy(deadlines=QUICK)
    cluster.lab.fault("lab-1", TWO, "ready-without-rules")
    first = cluster.migrate()
    assert first.exit_status == 1
    told = status_data(cluster)["nodes"]
    assert (told["proven"], list(told["not_verified"]), told["not_yet"]) == ([ONE], [TWO], [CP])
    canary = cluster.pods()[ONE]

    cluster.lab.clear()
    settle(cluster)
    outcome = cluster.begin("ui").join()
    assert outcome.status == "done", outcome.words()
    assert outcome.plan_hash == first.plan_hash
    assert cluster.pods()[ONE] == canary
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]
    assert cluster.ledger().nodes == {}


SERVED = """
from flows.migrate_cluster import migrate_cluster
migrate_cluster.serve(name="lab", pause_on_shutdown=False, print_starting_message=False)
"""


@pytest.fixture
def deployment(prefect, tmp_path):
    """The flow as a served deployment, in a process of its own; the URL that starts a run."""
    with (tmp_path / "served.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-c", SERVED],
            env={**os.environ, "PREFECT_RUNNER_POLL_FREQUENCY": "1"},
            stdout=log,
            stderr=log,
        )
    url = f"{prefect}/deployments/name/migrate-cluster/lab"
    try:
        wait_until(lambda: child.poll() is not None or httpx.get(url).is_success)
        yield f"{prefect}/deployments/{httpx.get(url).json()['id']}/create_flow_run"
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)


def answered(ask, url, **options):
    """What Prefect answers; SQLite under several runs may say 503 first."""
    replies = []

    def well():
        replies.append(ask(url, **options))
        return replies[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

    wait_until(well)
    return replies[-1].json()


def set_state(prefect, run_id, **state):
    url = f"{prefect}/flow_runs/{run_id}/set_state"
    reply = answered(httpx.post, url, json={"state": state, "force": True})
    assert reply["status"] == "ACCEPT", reply


def state_of(prefect, run_id):
    return answered(httpx.get, f"{prefect}/flow_runs/{run_id}")["state"] or {}


def await_end(prefect, run_id):
    ended = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"}
    wait_until(lambda: state_of(prefect, run_id).get("type") in ended, seconds=90)
    return state_of(prefect, run_id)


def test_retry_in_the_prefect_ui_goes_on_with_the_same_run(cluster, prefect, deployment):
    cluster.write_policy(deadlines=QUICK)
    cluster.lab.fault("lab-1", TWO, "ready-without-rules")
    parameters = {
        "cluster": "lab-1",
        "fleet": str(cluster.lab.fleet_file),
        "approve_by": "auto",
    }
    run_id = answered(httpx.post, deployment, json={"parameters": parameters})["id"]
    ended = await_end(prefect, run_id)
    assert (ended["type"], ended["name"]) == ("FAILED", "Failed"), ended
    assert f"{TWO}: " in ended["message"]
    canary = cluster.pods()[ONE]

    cluster.lab.clear()
    settle(cluster)
    set_state(prefect, run_id, type="SCHEDULED", name="AwaitingRetry")
    wait_until(lambda: state_of(prefect, run_id)["type"] != "SCHEDULED")
    ended = await_end(prefect, run_id)
    assert ended["type"] == "COMPLETED", ended
    assert set(cluster.modes().values()) == {"nftables"}
    assert cluster.pods()[ONE] == canary
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]
    assert httpx.get(f"{prefect}/flow_runs/{run_id}").json()["run_count"] == 2


def test_cancel_in_the_prefect_ui_ends_the_node_in_hand_and_says_both_ways(slow_cluster, prefect):
    cluster = slow_cluster
    first = waiting(cluster, prefect)

    def cancel():
        set_state(prefect, first.id, type="CANCELLING", name="Cancelling")

    with meanwhile("canary", "deleted", cancel):
        first.answer()
        outcome = first.begun.join()
    assert (outcome.status, outcome.exit_status) == ("interrupted", 1), outcome.words()
    assert "stopped by Cancel in the Prefect UI during canary" in outcome.what
    assert "1 of 7 nodes proven in nftables mode" in outcome.state
    said = "\n".join(outcome.next_steps)
    assert "nftwave migrate lab-1" in said
    assert "nftwave rollback lab-1" in said
    assert strategy(cluster) == "OnDelete"
    assert list(cluster.modes().values()).count("nftables") == 1
    assert state_of(prefect, first.id)["type"] == "CANCELLED"
    assert status_data(cluster)["lock"]["holder"] == ""


def test_a_second_ctrl_c_stops_at_once(cluster, prefect):
    cluster.lab.fault("lab-1", ONE, "never-syncs")
    child = start(cluster, "--approve", "auto")
    read_until(child, "waiting for its evidence")
    child.send_signal(signal.SIGINT)
    read_until(child, "again to stop at once")
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    # The canary's deadline is 120 s.
    assert time.monotonic() - began < 30
    assert child.returncode == 1, err
    assert "stopped by Ctrl-C during canary" in out
    assert "to go on: nftwave migrate lab-1" in out
    assert "to go back: nftwave rollback lab-1" in out
    assert "Traceback" not in err
    assert strategy(cluster) == "OnDelete"
    assert cluster.modes()[TWO] == "ipvs"


# The way back


def held_half_way(cluster):
    """Two of three nodes flipped, the third failed."""
    cluster.write_policy(deadlines=QUICK, batches=BY_ONE)
    cluster.lab.fault("lab-1", CP, "crashloop")
    outcome = cluster.migrate()
    assert outcome.exit_status == 1
    assert {cluster.modes()[n] for n in (ONE, TWO)} == {"nftables"}
    cluster.lab.clear()


def test_two_flipped_nodes_and_a_broken_one_are_taken_back_after_a_hold(cluster):
    before = as_it_was(cluster)
    held_half_way(cluster)
    # A container that died at its start is trusted when it has run for ten seconds.
    cluster.write_policy(deadlines={**QUICK, "verify": 20})
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert set(cluster.modes().values()) == {"ipvs"}
    assert as_it_was(cluster) == before
    found = status_data(cluster)
    assert (found["phase"], found["go_back"], found["lock"]["holder"]) == ("rolled-back", "", "")
    assert cluster.migrate().status == "done"


def test_nodes_that_never_changed_are_not_touched_by_a_way_back(larger_cluster):
    cluster = larger_cluster
    before, pods = as_it_was(cluster), cluster.pods()
    cluster.write_policy(deadlines=QUICK, batches={"soak": 0, "sizes": [2]})
    cluster.lab.fault("lab-1", ONE, "crashloop")
    assert cluster.migrate().exit_status == 1
    cluster.lab.clear()
    # A container that died at its start is trusted when it has run for ten seconds.
    cluster.write_policy(deadlines={**QUICK, "verify": 20}, batches={"soak": 0, "sizes": [2]})
    outcome = cluster.roll_back()
    assert outcome.status == "rolled-back", outcome.words()
    assert as_it_was(cluster) == before
    touched = {n for n, uid in cluster.pods().items() if uid != pods[n]}
    assert touched == {"lab-1-node-3", ONE, TWO}


@pytest.mark.parametrize("half_way", [False, True])
def test_a_restart_of_everything_is_taken_back_too(larger_cluster, half_way):
    cluster = larger_cluster
    before, pods = as_it_was(cluster), cluster.pods()
    cluster.write_policy(strategy="rolling", deadlines=QUICK)
    if half_way:
        cluster.lab.fault("lab-1", "lab-1-node-2", "crashloop")
    assert cluster.migrate().exit_status == (1 if half_way else 0)
    assert RESTARTED_AT in cluster.daemon_set()["spec"]["template"]["metadata"]["annotations"]
    assert ("ipvs" in cluster.modes().values()) == half_way
    untouched = {n for n, m in cluster.modes().items() if m == "ipvs"}
    cluster.lab.clear()
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert as_it_was(cluster) == before
    assert set(cluster.modes().values()) == {"ipvs"}
    assert {n: cluster.pods()[n] for n in untouched} == {n: pods[n] for n in untouched}
    after = cluster.pods()
    cluster.verify(deadline=0)
    assert cluster.pods() == after


def test_a_killed_way_back_is_gone_on_with_and_nothing_goes_forward_meanwhile(
    larger_cluster, prefect
):
    cluster = larger_cluster
    before = as_it_was(cluster)
    cluster.migrate()
    child = start_rollback(cluster)
    read_until(child, "deleted")
    child.kill()
    child.communicate()
    assert cluster.ledger().phase == "rolling-back"

    refused = cluster.migrate()
    assert refused.exit_status == 1
    assert "is being taken back" in refused.what
    assert any("nftwave rollback lab-1" in step for step in refused.next_steps)
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert as_it_was(cluster) == before
    assert set(cluster.modes().values()) == {"ipvs"}
    assert replaced(cluster) == 14
    assert len(cluster.ledger().takeovers) == 1


def start_rollback(cluster):
    from tests.flows.test_cli import NFTWAVE

    return subprocess.Popen(
        [NFTWAVE, "rollback", "lab-1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NFTWAVE_FLEET": str(cluster.lab.fleet_file), "COLUMNS": "200"},
    )


def test_a_node_that_stays_silent_keeps_the_way_back_open_until_it_answers(cluster):
    before = as_it_was(cluster)
    cluster.write_policy(deadlines=QUICK)
    cluster.migrate()
    cluster.lab.fault("lab-1", TWO, "ssh-refused")
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    assert f"1 unknown ({TWO}" in outcome.what
    assert cluster.ledger().phase == "rolling-back"
    assert set(cluster.modes().values()) == {"ipvs"}
    assert set(status_data(cluster)["nodes"]["not_verified"]) == {TWO}
    pods = cluster.pods()

    cluster.lab.clear()
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert as_it_was(cluster) == before
    assert cluster.pods() == pods
