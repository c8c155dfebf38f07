"""Nodes that SSH does not reach, at each step: the same end, or a clear stop, and no wrong word."""

from __future__ import annotations

import threading

import pytest

from nftwave import lease
from nftwave.evidence import Standing
from nftwave.lab.launch import running_lab
from tests.flows.conftest import Cluster
from tests.flows.driving import as_it_was, meanwhile, strategy, told

CP, CANARY = "lab-1-cp-1", "lab-1-node-1"
DEADLINES = {"verify": 20, "successor": 15, "probe": 2, "connect": 1}
POLICY = {"batches": {"soak": 0}, "deadlines": DEADLINES}
SSH = ("ssh-refused", "ssh-hangs")


@pytest.fixture
def cluster(tmp_path, prefect):
    """Two nodes: a canary and a batch."""
    with running_lab(tmp_path / "lab", nodes=2, speed=300) as lab:
        yield Cluster(lab, POLICY)


def assert_migrated(cluster, outcome, before):
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.words()
    assert {v.standing for v in outcome.verdicts} == {Standing.VERIFIED}
    assert set(cluster.modes().values()) == {"nftables"}
    assert as_it_was(cluster)[1] == before[1]
    assert cluster.ledger().phase == "verified"
    assert_free(cluster)


def assert_free(cluster):
    found = lease.read(cluster.gateway())
    assert found is None or not found.identity, found.who()


def deleted(cluster):
    return sum(m.startswith("delete pods/kube-proxy") for m in cluster.mutations())


@pytest.mark.parametrize("fault", [*SSH, "host-key-changed"])
def test_a_node_that_is_silent_from_the_start_stops_the_run_before_any_change(cluster, fault):
    before = as_it_was(cluster)
    cluster.lab.fault("lab-1", CANARY, fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("blocked", 3), outcome.words()
    assert CANARY in "\n".join(str(f) for f in outcome.findings)
    assert as_it_was(cluster) == before
    assert cluster.mutations() == []
    assert_free(cluster)
    cluster.lab.clear()
    assert_migrated(cluster, cluster.migrate(), before)


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", SSH)
@pytest.mark.parametrize(
    ("step", "text", "node"),
    [
        ("canary", "deleted", CANARY),  # while the successor is waited for
        ("canary", "waiting for its evidence", CANARY),
        ("batch 1 of 1", "waiting for its evidence", CP),
        ("verify", "asking", CANARY),
    ],
)
def test_a_node_that_is_silent_for_a_while_is_proven_when_it_is_back(
    cluster, fault, step, text, node
):
    before = as_it_was(cluster)

    def silent() -> None:
        cluster.lab.fault("lab-1", node, fault)
        threading.Timer(3, cluster.lab.clear).start()

    with meanwhile(step, text, silent):
        outcome = cluster.migrate()
    assert_migrated(cluster, outcome, before)
    assert deleted(cluster) == 2


def test_a_connection_that_is_lost_in_a_look_is_made_anew(cluster):
    """The listener closes what is open too; a look is under way most of the time."""
    before = as_it_was(cluster)
    ended = threading.Event()

    def again_and_again() -> None:
        while not ended.wait(0.4):
            cluster.lab.fault("lab-1", CANARY, "ssh-refused")
            cluster.lab.clear("lab-1", CANARY, "ssh-refused")

    breaker = threading.Thread(target=again_and_again)
    with meanwhile("canary", "deleted", breaker.start):
        threading.Timer(4, ended.set).start()
        outcome = cluster.migrate()
    ended.set()
    breaker.join()
    assert_migrated(cluster, outcome, before)


@pytest.mark.parametrize("fault", SSH)
def test_a_canary_that_stays_silent_is_unknown_and_not_failed(cluster, fault):
    before = as_it_was(cluster)
    cluster.write_policy(on_failure={"canary": "hold"}, deadlines={**DEADLINES, "verify": 2})
    with meanwhile("canary", "deleted", lambda: cluster.lab.fault("lab-1", CANARY, fault)):
        outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    (verdict,) = outcome.verdicts
    assert (verdict.node, verdict.standing) == (CANARY, Standing.UNKNOWN)
    assert f"{CANARY}: unknown" in outcome.what
    assert "held" in outcome.state
    assert strategy(cluster) == "OnDelete"
    assert cluster.modes()[CP] == "ipvs"
    assert_free(cluster)
    cluster.lab.clear()
    cluster.write_policy()
    assert_migrated(cluster, cluster.migrate(), before)


@pytest.mark.parametrize("fault", SSH)
def test_a_node_that_stays_silent_on_the_way_back_is_said_and_gone_on_with(cluster, fault):
    before = as_it_was(cluster)
    assert_migrated(cluster, cluster.migrate(), before)
    cluster.write_policy(deadlines={**DEADLINES, "verify": 2})
    cluster.lab.fault("lab-1", CANARY, fault)
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    standing = {v.node: v.standing for v in outcome.verdicts}
    assert standing == {CP: Standing.VERIFIED, CANARY: Standing.UNKNOWN}
    assert f"unknown ({CANARY}" in outcome.what
    assert_free(cluster)
    cluster.lab.clear()
    cluster.write_policy()
    with told() as events:
        outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert as_it_was(cluster) == before
    assert set(cluster.modes().values()) == {"ipvs"}, [e.text for e in events]
    assert_free(cluster)
