"""Drift: what other hands do to a cluster between two batches, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.driving import (
    CP,
    ONE,
    TWO,
    add_node,
    at_gate_2,
    config,
    meanwhile,
    other_image,
    remove_node,
    replaced,
    restart_all,
    restart_node,
    rolling_again,
    strategy,
    wait_until,
    waiting,
    words,
    write_config,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.flows.conftest import Cluster


@dataclass(frozen=True)
class Case:
    """What another hand does, what is told of it, and whether a person is asked again."""

    act: Callable[[Cluster], Any]
    told: str
    asks: bool
    replaced: int = 3


def by_hand(cluster):
    write_config(cluster, config(cluster) + "# by hand\n")


def put_back(cluster):
    write_config(cluster, cluster.ledger().original["config.conf"])


def kubeadm(cluster):
    """What `kubeadm upgrade apply` does to kube-proxy, as far as this lab can: another image,
    and the update strategy as kubeadm has it; the pods are replaced by that."""
    other_image(cluster)
    rolling_again(cluster)
    wait_until(lambda: set(cluster.modes().values()) == {"nftables"})


CASES = {
    "config.conf changed": Case(by_hand, "config.conf was changed by another hand", asks=True),
    "config.conf put back": Case(put_back, "config.conf was put back to what it was", asks=True),
    "hold taken away": Case(rolling_again, "is no longer held: RollingUpdate", asks=True),
    # The canary too: it was proven with the other image.
    "image changed": Case(other_image, "its pods are others now", asks=True, replaced=4),
    "restarted by kubectl": Case(restart_all, "", asks=False, replaced=4),
    "written anew by kubeadm": Case(kubeadm, "its pods are others now", asks=True, replaced=1),
    "node left": Case(partial(remove_node, node=TWO), f"{TWO} left", asks=False, replaced=2),
    "flipped out of turn": Case(
        partial(restart_node, node=TWO), "restarted out of turn", asks=False, replaced=2
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_moved_before_a_batch_is_taken_in_or_asked_about_and_ends_well(cluster, name):
    case = CASES[name]
    act = partial(case.act, cluster)
    with meanwhile("canary", "1 of 1 nodes verified", act, kind="ended") as events:
        outcome = cluster.migrate()
    said = words([event for event in events if event.step == "drift"])
    assert case.told in said
    assert ("asking again" in said) == case.asks
    assert outcome.status == "done", outcome.words()
    assert {m for m in cluster.modes().values() if m} == {"nftables"}
    assert strategy(cluster) == "RollingUpdate"
    gates = [a.gate for a in cluster.ledger().approvals]
    assert gates == (["plan", "canary"] * 2 if case.asks else ["plan", "canary"])
    assert replaced(cluster) == case.replaced
    pods = cluster.pods()
    cluster.verify(deadline=0)  # a while in which the end of the hold would restart what is old
    assert cluster.pods() == pods


@pytest.mark.parametrize(("joins_in", "asks"), [("ipvs", True), ("nftables", False)])
def test_a_node_that_joined_in_nftables_is_taken_in_and_in_ipvs_asked_about(
    cluster, joins_in, asks
):
    node = remove_node(cluster, TWO)
    original = config(cluster)

    def join():
        planned = config(cluster)
        if joins_in == "ipvs":
            write_config(cluster, original)
        add_node(cluster, node)
        assert cluster.modes()[TWO] == joins_in
        if joins_in == "ipvs":
            write_config(cluster, planned)

    with meanwhile("canary", "1 of 1 nodes verified", join, kind="ended") as events:
        outcome = cluster.migrate()
    said = words([event for event in events if event.step == "drift"])
    assert f"node {TWO} joined" in said
    assert ("asking again" in said) == asks
    assert outcome.status == "done", outcome.words()
    assert set(cluster.modes().values()) == {"nftables"}
    assert TWO in {v.node for v in outcome.verdicts}
    assert replaced(cluster) == (3 if asks else 2)


@pytest.mark.parametrize("act", [by_hand, rolling_again, other_image])
def test_what_moved_while_a_person_is_asked_holds_and_asks_for_a_new_plan(cluster, prefect, act):
    second = at_gate_2(cluster, prefect)
    act(cluster)
    theirs = config(cluster)
    second.answer()
    third = waiting(cluster, prefect, second.begun)
    assert third.plan_hash != second.plan_hash or act is rolling_again
    assert strategy(cluster) == "OnDelete"
    assert config(cluster) == theirs
    assert cluster.modes() == {ONE: "nftables", TWO: "ipvs", CP: "ipvs"}
    third.answer()
    fourth = waiting(cluster, prefect, second.begun, gate="canary")
    fourth.answer()
    outcome = second.begun.join()
    assert outcome.status == "done", outcome.words()
    assert set(cluster.modes().values()) == {"nftables"}
    assert ("# by hand" in config(cluster)) == (act is by_hand)
    assert strategy(cluster) == "RollingUpdate"
    assert replaced(cluster) == (4 if act is other_image else 3)


@pytest.mark.parametrize("act", [by_hand, other_image])
def test_what_moved_between_two_runs_holds_before_a_person_is_asked(cluster, prefect, act):
    second = at_gate_2(cluster, prefect)
    second.answer("reject")
    assert second.begun.join().status == "not-approved"
    original = cluster.ledger().original
    act(cluster)
    theirs = config(cluster)
    # As an upgrade takes it away; pods of the same template stay.
    rolling_again(cluster)
    third = waiting(cluster, prefect)
    assert strategy(cluster) == "OnDelete"
    assert config(cluster) == theirs
    third.answer()
    fourth = waiting(cluster, prefect, third.begun, gate="canary")
    fourth.answer()
    outcome = third.begun.join()
    assert outcome.status == "done", outcome.words()
    assert strategy(cluster) == "RollingUpdate"
    kept = cluster.ledger().original["config.conf"]
    # What another hand made of it while it said ipvs is what it would go back to.
    assert kept == (theirs if act is by_hand else original["config.conf"])


def test_an_owner_that_puts_config_conf_back_stops_the_run_under_the_hold(cluster):
    original = config(cluster)

    def owner():
        # It takes what it finds for what is wanted.
        planned = config(cluster)
        write_config(cluster, original)
        cluster.lab.fault("lab-1", "-", "gitops-revert")
        write_config(cluster, planned)
        wait_until(lambda: config(cluster) == original)

    with meanwhile("canary", "1 of 1 nodes verified", owner, kind="ended") as events:
        outcome = cluster.migrate()
    assert "put back to what it was, by argocd-controller" in words(events)
    assert (outcome.status, outcome.exit_status) == ("blocked", 3), outcome.words()
    assert "owner-reverts" in outcome.what
    assert cluster.modes() == {ONE: "nftables", TWO: "ipvs", CP: "ipvs"}
    assert strategy(cluster) == "OnDelete"

    cluster.lab.clear()
    suspended = {"code": "owner-reverts", "reason": "Argo CD is suspended for it"}
    cluster.write_policy(waivers=[suspended])
    outcome = cluster.migrate()
    assert outcome.status == "done", outcome.words()
    assert set(cluster.modes().values()) == {"nftables"}
    assert strategy(cluster) == "RollingUpdate"
