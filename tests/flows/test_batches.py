"""Canary, a yes, batches: looked at from outside, in the lab's kernels and in the API's audit."""

from __future__ import annotations

import pytest

from nftwave.evidence import Standing

CP, ONE, TWO = "lab-1-cp-1", "lab-1-node-1", "lab-1-node-2"
QUICK = {"deadlines": {"verify": 3, "successor": 10, "probe": 3, "connect": 1.5}}


def changes(cluster):
    """What was changed for good, without ledger, lock and dry runs."""
    return [m for m in cluster.mutations() if "dry run" not in m and "nftwave" not in m]


def test_one_node_after_the_other_and_nothing_else(cluster):
    before = cluster.daemon_set()["spec"]
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.what
    assert set(cluster.modes().values()) == {"nftables"}
    assert {v.standing for v in outcome.verdicts} == {Standing.VERIFIED}
    made = changes(cluster)
    assert made[:2] == ["patch daemonsets.apps/kube-proxy", "update configmaps/kube-proxy"]
    assert [m.split("/")[0] for m in made[2:-1]] == ["delete pods"] * 3
    assert made[-1] == "patch daemonsets.apps/kube-proxy"
    assert cluster.daemon_set()["spec"] == before
    ledger = cluster.ledger()
    assert ledger.phase == "verified"
    assert sorted(ledger.proven) == [CP, ONE, TWO]
    assert ledger.flipping == {}


def test_a_second_run_changes_nothing(cluster):
    cluster.migrate()
    pods, made = cluster.pods(), changes(cluster)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("already-done", 0)
    assert cluster.pods() == pods
    assert changes(cluster) == made


@pytest.mark.parametrize("fault", ["crashloop", "never-syncs"])
def test_a_canary_that_fails_is_rolled_back_and_the_cluster_is_as_it_was(cluster, fault):
    cluster.write_policy(**QUICK)
    config, spec, pods = cluster.config_map()["data"], cluster.daemon_set()["spec"], cluster.pods()
    cluster.lab.fault("lab-1", ONE, fault)
    outcome = cluster.migrate()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert ONE in outcome.what
    assert set(cluster.modes().values()) == {"ipvs"}
    assert cluster.config_map()["data"] == config
    assert cluster.daemon_set()["spec"] == spec
    after = cluster.pods()
    assert {n for n in pods if after[n] != pods[n]} == {ONE}
    assert cluster.ledger().phase == "rolled-back"


def test_a_migration_is_taken_back_on_demand_and_once(cluster):
    config, spec = cluster.config_map()["data"], cluster.daemon_set()["spec"]
    cluster.migrate()
    outcome = cluster.roll_back()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert set(cluster.modes().values()) == {"ipvs"}
    assert cluster.config_map()["data"] == config
    assert cluster.daemon_set()["spec"] == spec
    again = cluster.roll_back()
    assert (again.status, again.exit_status) == ("blocked", 3)
    assert "already" in again.what
    assert cluster.migrate().status == "done"
