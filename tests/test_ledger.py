import json
from dataclasses import replace

import pytest

from nftwave.errors import NftwaveError
from nftwave.ledger import Approval, Ledger
from nftwave.patch import opened
from nftwave.plan import make_plan
from tests.facts import cluster_facts, with_config

DONE = (
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n"
)
APPROVAL = Approval("approve", "Ann", "looked", "hash", "2026-11-24T00:00:00+00:00", "ui")
ORIGINAL = {"config.conf": "the original", "kubeconfig.conf": "x"}


def entry(**differences):
    one = Ledger("approved", "hash", {}, ORIGINAL, {"type": "RollingUpdate"}, (APPROVAL,))
    return replace(one, **differences)


def as_config_map(ledger):
    return {"metadata": {"resourceVersion": "7"}, "data": ledger.data()}


def test_what_is_written_is_what_is_read():
    ledger = entry(phase="failed", nodes={"n1": "why"}, restarted_at="2026-11-24T00:00:00Z")
    assert Ledger.of(as_config_map(ledger)) == replace(ledger, version="7")


def test_the_original_stands_by_itself_so_that_kubectl_alone_can_put_it_back():
    assert entry().data()["original.config.conf"] == "the original"


@pytest.mark.parametrize(
    "text", ["{oops", "[]", "{}", '{"format": 99}', '{"format": 1, "phase": "x", "approvals": []}']
)
def test_a_ledger_that_is_damaged_or_of_another_version_is_one_clear_error(text):
    config_map = {"metadata": {"resourceVersion": "7"}, "data": {"ledger.json": text}}
    with pytest.raises(NftwaveError, match="unreadable"):
        Ledger.of(config_map)


def test_it_fits_an_object_of_the_api_also_with_5000_nodes_and_many_failures():
    plan = make_plan(cluster_facts())
    nodes = tuple(replace(plan.nodes[0], name=f"node-{n:05}.example.internal") for n in range(5000))
    failed = {node.name: "table ip kube-proxy: not there; " * 40 for node in nodes[:1500]}
    ledger = replace(opened(None, replace(plan, nodes=nodes), ORIGINAL, APPROVAL), nodes=failed)
    data = ledger.data()
    assert sum(len(text.encode()) for text in data.values()) < 1024 * 1024
    assert json.loads(data["ledger.json"])["nodes"]["…"] == "and 1000 more nodes"


def test_a_first_run_keeps_what_the_cluster_holds():
    kept = opened(None, make_plan(cluster_facts()), ORIGINAL, APPROVAL)
    assert kept.original == ORIGINAL
    assert kept.version == ""


@pytest.mark.parametrize("phase", ["approved", "patched", "restarted", "failed", "verified"])
def test_a_rerun_after_the_edit_keeps_the_first_original(phase):
    before = entry(phase=phase, version="9", restarted_at="then")
    plan = make_plan(cluster_facts(**with_config(DONE)))
    kept = opened(before, plan, {"config.conf": DONE}, APPROVAL)
    assert kept.original == ORIGINAL
    assert kept.restarted_at == "then"
    assert kept.version == "9"
    assert kept.approvals == (APPROVAL, APPROVAL)


def test_a_new_migration_of_a_cluster_that_was_put_back_has_a_new_original():
    before = entry(phase="failed", original={"config.conf": "of long ago"}, version="9")
    kept = opened(before, make_plan(cluster_facts()), ORIGINAL, APPROVAL)
    assert kept.original == ORIGINAL
    assert kept.version == "9"
