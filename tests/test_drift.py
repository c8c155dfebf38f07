"""What stops a run that is under way, and what it takes in."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from nftwave.drift import Drift, drifts, flipped_early
from nftwave.plan import make_plan
from tests.facts import cluster_facts, daemon_set, in_ipvs, migrated, node, pod, with_config

FACTS = cluster_facts()
PLAN = make_plan(FACTS)
HELD = cluster_facts(daemon_set=daemon_set(strategy="OnDelete"))


def joined(probe):
    return cluster_facts(
        nodes=(node(), node("node2")),
        pods=(pod(uid="old"), pod(uid="new", node="node2")),
        probes={"node1": in_ipvs(), "node2": probe},
    )


def another_template():
    found = daemon_set()
    changed = copy.deepcopy(dict(found.object))
    changed["spec"]["template"]["spec"]["containers"][0]["image"] += "-other"
    return replace(found, object=changed)


def test_nothing_has_moved():
    assert drifts(PLAN, FACTS, held=False) == ()
    assert drifts(PLAN, HELD, config=PLAN.config_before, held=True) == ()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (cluster_facts(uid="another"), "another cluster"),
        (cluster_facts(server_version="v1.37.0"), "an upgrade is under way"),
        (cluster_facts(**with_config(PLAN.config_after + "# x\n")), "another hand"),
        (cluster_facts(daemon_set=None), "DaemonSet is gone"),
        (cluster_facts(daemon_set=another_template()), "rewritten"),
        (joined(in_ipvs()), "node node2 joined, in ipvs mode"),
    ],
)
def test_what_makes_the_plan_void(now, told):
    (found,) = drifts(PLAN, now, held=False)
    assert told in found.what
    assert not found.harmless


def test_a_hold_that_is_gone_and_a_config_that_was_put_back_are_told():
    after = {"config": PLAN.config_after, "held": True}
    found = [drift.what for drift in drifts(PLAN, FACTS, **after)]
    assert len(found) == 2
    assert "put back" in found[0]
    assert "no longer held: RollingUpdate" in found[1]
    patched = cluster_facts(**with_config(PLAN.config_after))
    assert [d.what[:40] for d in drifts(PLAN, patched, **after)] == [found[1][:40]]


def test_what_is_taken_in():
    (left,) = drifts(PLAN, cluster_facts(nodes=(), pods=()), held=False)
    assert left == Drift("node node1 left, or runs kube-proxy no longer", harmless=True)
    (new,) = drifts(PLAN, joined(migrated()), held=False)
    assert new == Drift("node node2 joined, and came up in nftables mode", harmless=True)


def test_a_pod_that_somebody_else_replaced_is_noticed():
    assert flipped_early(PLAN, FACTS, FACTS) == ()
    assert flipped_early(PLAN, FACTS, cluster_facts(pods=(pod(uid="another"),))) == ("node1",)
    dying = (pod(uid="old", deleting=True),)
    assert flipped_early(PLAN, FACTS, cluster_facts(pods=dying)) == ()
