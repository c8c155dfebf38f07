"""The interruption of a flip, measured on the lab's nodes and told to whoever reads the outcome."""

from __future__ import annotations

import pytest

from nftwave.lab.launch import running_lab
from nftwave.report import outcome_markdown
from tests.flows.conftest import Cluster

SLOW_ENOUGH = 10
"""At this pace a flip takes most of a second, which ten attempts a second can see."""


@pytest.fixture
def policy():
    """One node that goes first is measured in both ways; here all are restarted together."""
    return {"strategy": "rolling"}


@pytest.fixture
def slow(tmp_path, prefect, policy):
    with running_lab(tmp_path / "lab", nodes=3, speed=SLOW_ENOUGH) as lab:
        yield Cluster(lab, policy)


def test_the_canary_is_measured_before_a_person_is_asked_about_the_rest(slow):
    slow.policy = {"batches": {"soak": 0}}
    slow.write_policy()
    outcome = slow.migrate()
    assert outcome.status == "done", outcome.what
    ((node, found),) = measured(outcome).items()
    assert node == "lab-1-node-1"
    assert found.attempts > 5
    assert 300 <= found.longest_gap < 10_000
    assert (found.established, found.alive, found.cut) == (3, 0, 3)


def measured(outcome):
    return {v.node: v.interruption for v in outcome.verdicts if v.interruption}


def test_one_node_is_measured_unless_the_policy_says_otherwise(slow):
    outcome = slow.migrate()
    assert outcome.status == "done", outcome.what
    ((node, found),) = measured(outcome).items()
    assert found.unmeasured == ""
    assert found.target == "10.96.0.1:443"
    assert found.attempts > 5
    assert 300 <= found.longest_gap < 10_000
    assert (found.established, found.alive, found.cut) == (3, 0, 3)
    assert f"Interruption on {node}: {found.words()}" in outcome.words()
    assert found.words() in outcome_markdown(outcome)
    assert outcome.as_dict()["verdicts"][0]["interruption"]["longest_gap"] == found.longest_gap


def test_all_nodes_are_measured_where_the_policy_says_so(slow):
    slow.write_policy(interruption_probe="all")
    outcome = slow.migrate()
    assert len(measured(outcome)) == 3
    assert all(found.longest_gap for found in measured(outcome).values())


def test_no_node_is_measured_where_the_policy_says_so(cluster):
    cluster.write_policy(interruption_probe="off")
    outcome = cluster.migrate()
    assert outcome.status == "done"
    assert measured(outcome) == {}
    assert "interruption" not in outcome_markdown(outcome)


def test_a_node_that_never_comes_back_has_a_gap_until_the_end(slow):
    slow.write_policy(deadlines={"verify": 3, "successor": 30, "probe": 3, "connect": 1.5})
    first = "lab-1-cp-1"
    slow.lab.fault("lab-1", first, "never-syncs")
    outcome = slow.migrate()
    found = measured(outcome)[first]
    assert found.failed > 0
    assert found.longest_gap > 2000


def test_a_rollout_that_fails_ends_the_measurement_and_tells_it(cluster, capfd):
    cluster.write_policy(deadlines={"verify": 3, "successor": 10, "probe": 3, "connect": 1.5})
    cluster.lab.fault("lab-1", "lab-1-cp-1", "crashloop")
    outcome = cluster.migrate()
    assert outcome.status == "failed"
    assert "interruption lab-1-cp-1: longest gap" in capfd.readouterr().err
