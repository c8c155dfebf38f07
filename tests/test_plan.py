from dataclasses import replace

import pytest

from nftwave.errors import Blocked
from nftwave.ledger import Approval
from nftwave.patch import opened
from nftwave.plan import is_done, make_plan, thaw
from tests.facts import cluster_facts, in_ipvs, migrated, recorded, with_config

NFTABLES = (
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n"
)


def test_the_plan_for_the_recorded_cluster_edits_the_mode_and_names_the_nodes():
    plan = make_plan(cluster_facts())
    assert "-mode: ipvs" in plan.diff
    assert "+mode: nftables" in plan.diff
    assert [(n.name, n.mode, n.pod_uid, n.established) for n in plan.nodes] == [
        ("node1", "ipvs", "old", 3)
    ]
    assert {"mode", "ipvs", "nodePortAddresses"} <= {c.path for c in plan.changes}


def test_the_hash_holds_what_the_plan_does():
    plan = make_plan(cluster_facts())
    assert plan.hash == make_plan(cluster_facts()).hash
    differing = [
        replace(plan, config_after=plan.config_after + "# x\n"),
        replace(plan, config_before=plan.config_before + "# x\n"),
        replace(plan, nodes=()),
        replace(plan, nodes=(replace(plan.nodes[0], mode="nftables"),)),
        replace(plan, cluster_uid="another"),
        replace(plan, strategy="rolling"),
        replace(plan, batches=()),
        replace(plan, drained=("node1",)),
        replace(plan, template="another"),
        replace(plan, server_version="v1.37.0"),
        replace(plan, kept=("node9",)),
        replace(plan, image="another"),
        replace(plan, strategy_restored={"type": "OnDelete"}),
    ]
    assert len({p.hash for p in [plan, *differing]}) == len(differing) + 1


def test_the_hash_does_not_move_with_what_moves_by_itself():
    plan = make_plan(cluster_facts())
    busier = replace(plan.nodes[0], established=99, pod_uid="another")
    assert replace(plan, resource_version="9999", nodes=(busier,)).hash == plan.hash


def test_a_configuration_that_cannot_be_edited_blocks_with_the_reason():
    text = NFTABLES.replace("nftables", "&m ipvs") + "clusterCIDR: *m\n"
    with pytest.raises(Blocked) as error:
        make_plan(cluster_facts(**with_config(text)))
    assert "config.conf" in str(error.value)
    assert error.value.unchanged


@pytest.mark.parametrize(("probe", "done"), [(migrated(), True), (in_ipvs(), False)])
def test_a_cluster_is_done_only_when_its_nodes_say_so_too(probe, done):
    facts = cluster_facts(probes={"node1": probe}, **with_config(NFTABLES))
    assert is_done(facts) is done


def test_nodes_in_nftables_mode_under_an_ipvs_config_are_not_done():
    assert not is_done(cluster_facts(probes={"node1": migrated()}))


def test_a_node_that_did_not_tell_its_mode_keeps_a_cluster_from_being_done():
    facts = cluster_facts(probes={}, **with_config(NFTABLES))
    assert not is_done(facts)


def test_the_recorded_text_differs_only_where_it_has_to():
    before = recorded("configmap-kube-proxy")["data"]["config.conf"].splitlines()
    after = make_plan(cluster_facts()).config_after.splitlines()
    gone = [line for line in before if line not in after]
    new = [line for line in after if line not in before]
    assert "mode: ipvs" in gone
    assert new[0] == "mode: nftables"
    assert len(new) <= 4


def test_a_plan_comes_out_of_the_ledger_as_it_went_in():
    facts = cluster_facts()
    plan = make_plan(facts)
    approval = Approval("approve", "Ann", "looked", plan.hash, "2026-11-24T00:00:00+00:00", "ui")
    entry = opened(None, plan, {"config.conf": "x"}, approval)
    thawed = thaw(entry, facts)
    assert thawed.hash == plan.hash
    assert (thawed.batches, thawed.nodes) == (plan.batches, plan.nodes)
    assert entry.approved("plan") == approval
    assert entry.approved("canary") is None


def test_a_record_that_does_not_give_its_own_hash_is_no_plan():
    facts = cluster_facts()
    plan = make_plan(facts)
    entry = opened(None, plan, {}, Approval("approve", "Ann", "ok", plan.hash, "now", "ui"))
    for record in ({}, {**entry.plan, "batches": []}, {**entry.plan, "nodes": 3}):
        assert thaw(replace(entry, plan=record), facts) is None
