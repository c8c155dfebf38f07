"""`nftwave status` on a lab cluster: ledger and lock as other runs left them."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest

from nftwave import lease, ledger
from nftwave.fleet import load_fleet
from nftwave.holder import Holder
from nftwave.kube.connect import connect
from nftwave.kube.resources import LEASES
from nftwave.lab.launch import running_lab
from nftwave.ledger import Approval, Ledger
from nftwave.lock import Lock
from nftwave.status import PHASES, lock_status, nodes_of
from tests.flows.test_cli import run

ANNA = Holder("anna", "laptop-7", 4242, "100", "boot", "3f2c")
PLAN = {
    "strategy": "batches",
    "nodes": {"a": "ipvs", "b": "ipvs", "c": "ipvs", "d": "ipvs"},
    "batches": [["a"], ["b", "c"], ["d"]],
}
CONFIG = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: ipvs\n"
ENTRY = Ledger(
    phase="batches",
    plan_hash="f" * 64,
    plan=PLAN,
    original={"config.conf": CONFIG},
    original_strategy={"type": "RollingUpdate"},
    approvals=(
        Approval("approve", "ben", "looks good", "f" * 64, "2026-11-24T17:00:00Z", "ui"),
        Approval("approve", "cleo", "canary ok", "f" * 64, "2026-11-24T17:10:00Z", "ui", "canary"),
    ),
    nodes={"b": "failed: no table ip kube-proxy"},
    proven=("a",),
    flipping={"b": "uid-b", "c": "uid-c"},
    takeovers=("anna@laptop-7 pid 1, which has ended",),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("status"), nodes=2, speed=60) as one:
        yield one


@pytest.fixture
def gateway(lab):
    one = connect(load_fleet(lab.fleet_file).cluster("lab-1"))
    yield one
    _forget(one)
    one.close()


def _forget(gateway):
    from nftwave.kube.resources import CONFIG_MAPS

    for resource in (CONFIG_MAPS, LEASES):
        found = gateway.find(resource, "nftwave", "kube-system")
        if found:
            gateway.delete(resource, "nftwave", "kube-system", uid=found["metadata"]["uid"])


def status(lab, *words):
    return run("status", "lab-1", *words, lab=lab, check=0).stdout


def data(lab):
    return json.loads(status(lab, "-o", "json"))


def test_a_cluster_without_a_migration_is_said_to_be_one(lab, gateway):
    before = lab.attempts()
    told = status(lab)
    assert "no migration was begun" in told
    assert "nobody: no run works on this cluster now" in told
    assert re.search(r"Mode in config.conf +ipvs\n", told)
    assert re.search(r"Update strategy +RollingUpdate\n", told)
    assert "nftwave migrate lab-1" in told
    assert "rollback" not in told
    assert lab.attempts() == before


def test_a_migration_half_way_is_told_with_its_nodes_and_approvals_and_both_commands(lab, gateway):
    ledger.write(gateway, ENTRY)
    told = status(lab)
    assert "nodes are changed batch by batch" in told
    assert re.search(r"Plan +f{12}, strategy batches", told)
    assert re.search(r"Approval +plan: approve by ben \(ui\), 2026-11-24T17:00:00Z: looks", told)
    assert re.search(r"Approval +canary: approve by cleo", told)
    assert re.search(r"Nodes proven +1: a\n", told)
    assert re.search(r"Nodes not yet +1: d\n", told)
    assert re.search(r"Node not verified +b: failed: no table ip kube-proxy", told)
    assert re.search(r"Node in hand +c\n", told)
    assert "taken over from anna@laptop-7 pid 1, which has ended" in told
    assert re.search(r"To go on +nftwave migrate lab-1", told)
    assert re.search(r"To go back +nftwave rollback lab-1", told)


def test_data_says_the_same(lab, gateway):
    ledger.write(gateway, ENTRY)
    told = data(lab)
    assert told["phase"] == "batches"
    assert told["is_open"] is True
    assert told["nodes"] == {
        "proven": ["a"],
        "in_hand": ["c"],
        "not_verified": {"b": "failed: no table ip kube-proxy"},
        "not_yet": ["d"],
    }
    assert told["config_mode"] == {"now": "ipvs", "original": "ipvs"}
    assert told["update_strategy"] == {"now": "RollingUpdate", "original": "RollingUpdate"}
    assert told["plan"] == {"hash": "f" * 64, "strategy": "batches"}
    assert [a["approver"] for a in told["approvals"]] == ["ben", "cleo"]
    assert told["lock"]["holder"] == ""


def test_who_works_on_it_is_told_and_nothing_else_is_advised_meanwhile(lab, gateway):
    ledger.write(gateway, ENTRY)
    with Lock(gateway, holder=Holder.here("r1"), purpose="migrate"):
        told, found = status(lab), data(lab)["lock"]
    assert f"{Holder.here('r1').identity} (migrate) since" in told
    assert "wait until the run that works on it ends" in told
    assert "To go on" not in told
    assert (found["purpose"], found["run"], found["expired"]) == ("migrate", "r1", False)
    assert abs(found["renewed"] - time.time()) < 60
    assert data(lab)["lock"]["holder"] == ""


def test_a_run_that_asks_is_told_with_how_to_answer_it(lab, gateway):
    ledger.write(gateway, replace(ENTRY, phase="asking"))
    with Lock(gateway, holder=Holder.here("r1"), purpose="migrate"):
        told = status(lab)
    assert "`nftwave approve r1`" in told
    assert "a person is asked" in told


def test_a_run_that_ended_without_a_yes_asks_nobody_any_more(lab, gateway):
    ledger.write(gateway, replace(ENTRY, phase="asking"))
    told = status(lab)
    assert "a run ended early; nothing changes until somebody goes on or back" in told
    assert "To go on" in told


def test_a_lock_that_nobody_renews_hinders_no_advice(lab, gateway):
    ledger.write(gateway, ENTRY)
    body = lease.taken(None, ANNA, purpose="migrate", token="x", duration=30)  # noqa: S106
    body["spec"]["renewTime"] = "2026-11-24T10:00:00.000000Z"
    gateway.create(LEASES, body, "kube-system")
    told = status(lab)
    assert "anna@laptop-7 pid 4242 run 3f2c (migrate) since" in told
    assert "its process has probably ended; the next run takes the lock over" in told
    assert "To go on" in told
    assert data(lab)["lock"]["expired"] is True


@pytest.mark.parametrize("when", [0, 29])
def test_a_lock_is_not_expired_within_its_duration(when):
    body = lease.taken(None, ANNA, purpose="migrate", token="x", duration=30)  # noqa: S106
    found = lease.Lease.of({**body, "metadata": {**body["metadata"], "resourceVersion": "1"}})
    assert not lock_status(found, clock=lambda: found.renewed + when).expired
    assert lock_status(found, clock=lambda: found.renewed + 31).expired


@pytest.mark.parametrize(
    ("phase", "go_on", "go_back"),
    [
        ("approved", "nftwave migrate lab-1", "nftwave rollback lab-1"),
        ("failed", "nftwave migrate lab-1", "nftwave rollback lab-1"),
        ("verified", "", "nftwave rollback lab-1"),
        ("rolling-back", "nftwave rollback lab-1", ""),
        ("rolled-back", "nftwave migrate lab-1", ""),
    ],
)
def test_what_goes_on_and_what_goes_back_depend_on_the_phase(lab, gateway, phase, go_on, go_back):
    ledger.write(gateway, replace(ENTRY, phase=phase))
    told = data(lab)
    assert (told["go_on"], told["go_back"]) == (go_on, go_back)
    assert told["words"] == PHASES[phase]


def test_each_node_of_the_plan_is_counted_once():
    for phase in PHASES:
        found = nodes_of(replace(ENTRY, phase=phase))
        every = [*found.proven, *found.in_hand, *(found.not_verified or {}), *found.not_yet]
        assert sorted(every) == ([] if phase == "rolled-back" else ["a", "b", "c", "d"])


def test_an_unreadable_ledger_is_told_and_nothing_is_guessed(lab, gateway):
    from nftwave.kube.resources import CONFIG_MAPS

    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "nftwave", "namespace": "kube-system"},
        "data": {"ledger.json": "{"},
    }
    gateway.create(CONFIG_MAPS, body, "kube-system")
    done = run("status", "lab-1", lab=lab, check=1)
    assert "the ledger, ConfigMap kube-system/nftwave, is unreadable" in done.stderr
