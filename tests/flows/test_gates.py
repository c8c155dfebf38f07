"""Gate 2, and the answers to a failure: what a person sees, and what the cluster is meanwhile."""

from __future__ import annotations

import json

import pytest

from tests.flows.driving import (
    CP,
    ONE,
    QUICK,
    TWO,
    as_it_was,
    at_gate_2,
    config,
    delete_pod,
    meanwhile,
    replaced,
    restart_node,
    strategy,
    waiting,
    words,
)
from tests.flows.test_cli import run
from tests.flows.test_migrate import settle

PATIENT = {**QUICK, "verify": 20}
"""A container that died at its start is trusted when it has run for ten seconds."""
FIRST_OF_THREE = {ONE: "nftables", TWO: "ipvs", CP: "ipvs"}


def ways(outcome):
    """The steps that a person is told, in one text."""
    return "\n".join(outcome.next_steps)


def test_while_the_canary_is_asked_about_nothing_can_change_by_itself(cluster, prefect):
    original = config(cluster)
    second = at_gate_2(cluster, prefect)
    form = second.description()
    assert "other 2 nodes" in form
    assert f"{ONE}: verified" in form
    assert "kube-ipvs0" in form
    assert f"Interruption on {ONE}: " in form
    assert cluster.modes() == FIRST_OF_THREE
    assert config(cluster) == original
    assert strategy(cluster) == "OnDelete"

    told = run("status", "lab-1", lab=cluster.lab, check=0).stdout
    assert f"nftwave approve {second.id}" in told
    assert f"1: {ONE}" in told
    data = json.loads(run("status", "lab-1", "-o", "json", lab=cluster.lab, check=0).stdout)
    assert (data["phase"], data["nodes"]["proven"]) == ("asking", [ONE])
    assert data["config_mode"] == {"now": "ipvs", "original": "ipvs"}
    assert data["update_strategy"] == {"now": "OnDelete", "original": "RollingUpdate"}

    restart_node(cluster, ONE)
    assert cluster.modes()[ONE] == "ipvs"
    second.answer()
    outcome = second.begun.join()
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.words()
    assert set(cluster.modes().values()) == {"nftables"}
    assert replaced(cluster) == 4  # the canary twice
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]


def test_config_at_gate_stays_where_the_policy_says_so(cluster, prefect):
    cluster.write_policy(config_at_gate="stays")
    second = at_gate_2(cluster, prefect)
    assert "mode: nftables" in config(cluster)
    assert strategy(cluster) == "OnDelete"
    restart_node(cluster, ONE)
    assert cluster.modes() == FIRST_OF_THREE
    by_hand = cluster.pods()[ONE]
    second.answer()
    outcome = second.begun.join()
    assert outcome.status == "done", outcome.words()
    assert cluster.pods()[ONE] == by_hand
    assert replaced(cluster) == 3


def test_a_no_or_silence_at_gate_2_stops_there_and_a_new_run_asks_only_there(cluster, prefect):
    second = at_gate_2(cluster, prefect)
    second.answer("reject", "not on a Friday")
    outcome = second.begun.join()
    assert (outcome.status, outcome.exit_status) == ("not-approved", 4)
    assert "not on a Friday" in outcome.what
    stays_with_the_canary(cluster, outcome)
    assert [(a.gate, a.decision) for a in cluster.ledger().approvals] == [
        ("plan", "approve"),
        ("canary", "reject"),
    ]
    flipped = cluster.pods()[ONE]

    cluster.write_policy(deadlines={"approval": 2})
    silent = waiting(cluster, prefect, gate="canary")
    outcome = silent.begun.join()
    assert (outcome.status, outcome.exit_status) == ("not-approved", 4)
    assert "nobody answered within 2 s" in outcome.what
    stays_with_the_canary(cluster, outcome)

    cluster.write_policy()
    third = waiting(cluster, prefect, gate="canary")
    assert third.plan_hash == silent.plan_hash == second.plan_hash
    assert f"{ONE}: verified" in third.description()
    third.answer()
    outcome = third.begun.join()
    assert outcome.status == "done", outcome.words()
    assert cluster.pods()[ONE] == flipped
    assert replaced(cluster) == 3


def stays_with_the_canary(cluster, outcome):
    assert cluster.modes() == FIRST_OF_THREE
    assert strategy(cluster) == "OnDelete"
    assert "1 of 3 nodes proven in nftables mode" in outcome.state
    assert "nftwave migrate lab-1" in ways(outcome)
    assert "nftwave rollback lab-1" in ways(outcome)


def test_a_person_may_take_the_canary_back_at_gate_2(cluster, prefect):
    before, pods = as_it_was(cluster), cluster.pods()
    second = at_gate_2(cluster, prefect)
    second.answer("rollback", "too slow")
    outcome = second.begun.join()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert set(cluster.modes().values()) == {"ipvs"}
    assert as_it_was(cluster) == before
    assert {n for n, uid in cluster.pods().items() if uid != pods[n]} == {ONE}
    told = run("status", "lab-1", lab=cluster.lab, check=0).stdout
    assert "taken back: the configuration is as it was before" in told
    assert "rollback lab-1" not in told


@pytest.mark.parametrize(
    ("answer", "status", "exit_status"), [("rollback", "rolled-back", 5), ("reject", "failed", 1)]
)
def test_a_person_may_be_asked_what_becomes_of_a_failed_canary(
    cluster, prefect, answer, status, exit_status
):
    cluster.write_policy(deadlines=PATIENT, on_failure={"canary": "ask"})
    before, original = as_it_was(cluster), config(cluster)
    cluster.lab.fault("lab-1", ONE, "crashloop")
    first = waiting(cluster, prefect)
    first.answer()
    second = waiting(cluster, prefect, first.begun, gate="failure")
    form = second.description()
    assert f"{ONE}: failed" in form
    assert "Roll lab-1 back?" in form
    assert strategy(cluster) == "OnDelete"
    second.answer(answer)
    outcome = second.begun.join()
    assert (outcome.status, outcome.exit_status) == (status, exit_status), outcome.words()
    assert ONE in outcome.what
    if answer == "rollback":
        assert as_it_was(cluster) == before
        assert set(cluster.modes().values()) == {"ipvs"}
    else:
        assert strategy(cluster) == "OnDelete"
        assert config(cluster) == original
        assert "nftwave migrate lab-1" in ways(outcome)
        assert "nftwave rollback lab-1" in ways(outcome)
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "failure"]


def test_a_failed_canary_that_is_held_is_gone_on_with_when_it_is_mended(cluster, prefect):
    cluster.write_policy(deadlines=QUICK, on_failure={"canary": "hold"})
    cluster.lab.fault("lab-1", ONE, "crashloop")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert ONE in outcome.what
    assert {n: m for n, m in cluster.modes().items() if n != ONE} == {TWO: "ipvs", CP: "ipvs"}
    assert strategy(cluster) == "OnDelete"
    assert "nftwave rollback lab-1" in ways(outcome)

    cluster.lab.clear()
    settle(cluster)
    cluster.write_policy(deadlines=PATIENT, on_failure={"canary": "hold"})
    again = waiting(cluster, prefect, gate="canary")
    again.answer()
    outcome = again.begun.join()
    assert outcome.status == "done", outcome.words()
    assert [a.gate for a in cluster.ledger().approvals] == ["plan", "canary"]
    assert replaced(cluster) == 4  # the canary twice: config.conf as it was let it run ipvs again


@pytest.mark.parametrize(
    ("policy_says", "status", "exit_status", "modes"),
    [
        ({}, "failed", 1, {ONE: "nftables", CP: "ipvs"}),
        ({"batch": "rollback"}, "rolled-back", 5, {ONE: "ipvs", CP: "ipvs"}),
    ],
)
def test_a_batch_that_fails_is_held_unless_the_policy_says_rollback(
    cluster, policy_says, status, exit_status, modes
):
    before = as_it_was(cluster)
    cluster.write_policy(deadlines=QUICK, on_failure=policy_says)
    cluster.lab.fault("lab-1", TWO, "crashloop")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == (status, exit_status), outcome.words()
    assert TWO in outcome.what
    assert {n: m for n, m in cluster.modes().items() if n != TWO} == modes
    assert strategy(cluster) == ("OnDelete" if status == "failed" else "RollingUpdate")
    if status == "rolled-back":
        assert as_it_was(cluster) == before
        assert cluster.modes()[TWO] == "ipvs"


def test_a_person_is_asked_about_a_failed_batch_where_the_policy_says_so(cluster, prefect):
    before = as_it_was(cluster)
    cluster.write_policy(deadlines=PATIENT, on_failure={"batch": "ask"})
    cluster.lab.fault("lab-1", TWO, "crashloop")
    second = at_gate_2(cluster, prefect)
    second.answer()
    third = waiting(cluster, prefect, second.begun, gate="failure")
    assert f"{TWO}: failed" in third.description()
    third.answer("rollback")
    outcome = third.begun.join()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert as_it_was(cluster) == before
    assert set(cluster.modes().values()) == {"ipvs"}


@pytest.mark.parametrize(("budget", "goes_on"), [(1, True), ("34%", True), ("33%", False)])
def test_a_failure_within_the_budget_does_not_stop_the_others(cluster, budget, goes_on):
    cluster.write_policy(
        deadlines=QUICK, batches={"soak": 0, "sizes": [1], "failure_budget": budget}
    )
    cluster.lab.fault("lab-1", TWO, "crashloop")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert TWO in outcome.what
    assert set(cluster.ledger().nodes) == {TWO}
    assert cluster.modes()[CP] == ("nftables" if goes_on else "ipvs")
    assert replaced(cluster) == (3 if goes_on else 2)
    assert strategy(cluster) == ("RollingUpdate" if goes_on else "OnDelete")


def test_beyond_the_budget_no_further_node_of_the_batch_is_begun(larger_cluster):
    cluster = larger_cluster
    cluster.write_policy(
        deadlines=QUICK, batches={"soak": 0, "sizes": [5], "at_once": 1, "failure_budget": 1}
    )
    pods = cluster.pods()
    for node in (ONE, TWO):
        cluster.lab.fault("lab-1", node, "crashloop")
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    assert "batch 1 of 2: 2 nodes not verified" in outcome.what
    assert {n for n, uid in cluster.pods().items() if uid != pods[n]} == {"lab-1-node-3", ONE, TWO}
    assert strategy(cluster) == "OnDelete"
    assert f"begun and not proven: {ONE}, {TWO}" in outcome.state


def test_who_dies_within_the_soak_stops_the_run_before_the_next_batch(cluster):
    cluster.write_policy(deadlines=QUICK, batches={"soak": 1})

    def die():
        cluster.lab.fault("lab-1", TWO, "crashloop")
        delete_pod(cluster, TWO)

    with meanwhile("batch 1 of 2", "watched for 1 s", die) as events:
        outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), words(events)
    assert f"batch 1 of 2: 1 node not verified: {TWO}: failed" in outcome.what
    assert f"{TWO}: kube-proxy was restarted meanwhile; asking it again" in words(events)
    assert cluster.modes()[CP] == "ipvs"
    assert strategy(cluster) == "OnDelete"
    assert set(cluster.ledger().proven) == {ONE}


def test_who_dies_after_its_turn_while_others_have_theirs_is_asked_again(larger_cluster):
    cluster = larger_cluster
    cluster.write_policy(deadlines=QUICK, batches={"soak": 1, "sizes": [2], "at_once": 1})

    def die():
        cluster.lab.fault("lab-1", ONE, "crashloop")
        delete_pod(cluster, ONE)

    with meanwhile("batch 1 of 4", f"{TWO}: kube-proxy pod", die) as events:
        outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), words(events)
    assert f"batch 1 of 4: 1 node not verified: {ONE}: failed" in outcome.what
    assert cluster.modes()["lab-1-node-4"] == "ipvs"
