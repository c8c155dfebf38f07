"""An API server that fails at each step, in each way: the same end, or a clear stop."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from nftwave import lease, lock, prove, turns
from nftwave.evidence import Standing
from nftwave.kube import converge, daemonset, gateway, mirror
from nftwave.lab.launch import running_lab
from tests.flows.conftest import Cluster
from tests.flows.driving import meanwhile, strategy

CP, CANARY = "lab-1-cp-1", "lab-1-node-1"
DEADLINES = {"verify": 15, "successor": 15, "probe": 6, "connect": 2}
POLICY = {"batches": {"soak": 0}, "interruption_probe": "off", "deadlines": DEADLINES}
KINDS = ("api-429", "api-500", "api-reset", "api-lost", "api-hang")

READS = (
    "get//version",
    "get/namespaces",
    "get/configmaps",
    "get/daemonsets.apps",
    "get/leases.coordination.k8s.io",
    "get/pods/log",
    "get/services",
    "list/controllerrevisions.apps",
    "list/endpointslices.discovery.k8s.io",
    "list/nodes",
    "list/pods",
    "list/services",
    "watch/pods",
    "watch/services",
)
"""What a migration and a way back read, one request of each kind."""

CHANGES = (
    "create/leases.coordination.k8s.io",
    "update/leases.coordination.k8s.io",
    "create/configmaps",
    *(f"#{place}@update/configmaps" for place in (1, 2, 4, 7)),
    *(f"#{place}@patch/daemonsets.apps" for place in (1, 2, 3)),
    *(f"#{place}@delete/pods" for place in (1, 2)),
)
"""The changes of both; the lab's faults count those that are repeated too."""


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Waits as short as the lab's clock: between attempts and for answers."""
    for module in (gateway, converge, turns, mirror, lock):
        monkeypatch.setattr(module, "LONGEST_WAIT", 0.2)
    # What the server asks to wait for, in the lab's time.
    clock = SimpleNamespace(sleep=lambda s: time.sleep(s / 10), monotonic=time.monotonic)
    for module in (gateway, converge, turns):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(gateway, "READ_TIMEOUT", 1.0)
    monkeypatch.setattr(gateway, "ONE_OBJECT_TIMEOUT", 0.6)
    monkeypatch.setattr(gateway, "CONNECT_TIMEOUT", 1.0)
    monkeypatch.setattr(mirror, "TICK", 1.0)
    monkeypatch.setattr(lock, "ANSWER_WITHIN", 1.0)
    monkeypatch.setattr(daemonset, "HOLD_DEADLINE", 1.0)
    monkeypatch.setattr(prove, "LOG_WITHIN", 1.0)


@pytest.fixture
def cluster(tmp_path, prefect):
    """Two nodes: a canary and a batch."""
    with running_lab(tmp_path / "lab", nodes=2, speed=300) as lab:
        yield Cluster(lab, POLICY)


@pytest.fixture
def before(cluster):
    """What a way back has to restore, and a migration too, but for config.conf."""
    return cluster.config_map()["data"], cluster.daemon_set()["spec"]


def spoken(kind, what):
    """One request is hit, as the lab wants to be told."""
    when, _, which = what.rpartition("@")
    return f"{kind}:{when or 1}@{which}"


def inject(cluster, *faults):
    for one in faults:
        cluster.lab.fault("lab-1", "-", one)


def hits(cluster):
    """Changes that a fault has hit."""
    return [one for one in cluster.lab.attempts() if one["fault"]]


def assert_migrated(cluster, outcome, before, ends="done"):
    """The end that a migration without any fault has, whatever it met."""
    assert (outcome.status, outcome.exit_status) == (ends, 0), outcome.words()
    assert {v.node: v.standing for v in outcome.verdicts} == dict.fromkeys(
        (CP, CANARY), Standing.VERIFIED
    )
    assert set(cluster.modes().values()) == {"nftables"}
    assert cluster.daemon_set()["spec"] == before[1]
    ledger = cluster.ledger()
    assert (ledger.phase, ledger.flipping, ledger.nodes) == ("verified", {}, {})
    assert ledger.original == before[0]
    assert_free(cluster)
    assert pods_deleted(cluster) == 2


def assert_taken_back(cluster, outcome, before):
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert {v.standing for v in outcome.verdicts} == {Standing.VERIFIED}
    assert set(cluster.modes().values()) == {"ipvs"}
    assert (cluster.config_map()["data"], cluster.daemon_set()["spec"]) == before
    ledger = cluster.ledger()
    assert (ledger.phase, ledger.flipping, ledger.proven) == ("rolled-back", {}, ())
    assert_free(cluster)


def assert_free(cluster):
    found = lease.read(cluster.gateway())
    assert found is None or not found.identity, found.who()


def pods_deleted(cluster):
    return sum(m.startswith("delete pods/kube-proxy") for m in cluster.mutations())


@pytest.mark.parametrize("kind", KINDS)
def test_one_request_of_each_kind_fails_and_the_end_is_the_same(cluster, before, kind):
    # What hangs costs time; it does so one way for all that is read.
    reads = READS if kind != "api-hang" else ("get/configmaps", "list/pods", "watch/pods")
    every = [spoken(kind, what) for what in (*reads, *CHANGES)]
    inject(cluster, *every)
    assert_migrated(cluster, cluster.migrate(), before)
    assert len(hits(cluster)) >= 7
    cluster.lab.clear()
    inject(cluster, *every)
    assert_taken_back(cluster, cluster.roll_back(), before)


ALONE = (
    "create/leases.coordination.k8s.io",
    "create/configmaps",
    "#2@patch/daemonsets.apps",
    "#2@update/configmaps",
    "#5@update/configmaps",
    "delete/pods",
    "#2@delete/pods",
    "#3@patch/daemonsets.apps",
)
"""Lock, ledger, hold, config.conf, nodes in hand, both nodes' pods, release."""


@pytest.mark.exhaustive
@pytest.mark.parametrize("what", ALONE)
@pytest.mark.parametrize("kind", ["api-lost", "api-hang"])
def test_the_answer_to_one_change_is_lost_and_the_end_is_the_same(cluster, before, kind, what):
    inject(cluster, spoken(kind, what))
    assert_migrated(cluster, cluster.migrate(), before)
    assert [one["fault"] for one in hits(cluster)] == [kind]


@pytest.mark.parametrize(
    "faults",
    [
        ("api-410",),
        ("api-reset:1/1@watch",),
        ("api-429:1/1@watch",),
        ("api-500:1/1@watch",),
        ("api-hang:1/1@watch/pods",),
    ],
    ids=str,
)
def test_watches_that_always_fail_cost_time_and_nothing_else(cluster, before, faults):
    inject(cluster, *faults)
    assert_migrated(cluster, cluster.migrate(), before)
    assert_taken_back(cluster, cluster.roll_back(), before)


BROKEN = {
    "preflight": ("preflight", "began", "list/nodes", "", "RollingUpdate"),
    "lock": ("preflight", "began", "create/leases.coordination.k8s.io", "", "RollingUpdate"),
    "ledger": ("patch", "began", "create/configmaps", "", "RollingUpdate"),
    "rehearsal": ("patch", "began", "update/configmaps", "", "RollingUpdate"),
    "hold": ("patch", "the original is kept", "patch/daemonsets.apps", "", "RollingUpdate"),
    "config.conf": ("patch", "the original is kept", "update/configmaps", "held", "OnDelete"),
    "delete": ("canary", "began", "delete/pods", "held", "OnDelete"),
    "second delete": ("batch 1 of 1", "began", "delete/pods", "held", "OnDelete"),
    "in hand": ("approval", "of the other nodes", "update/configmaps", "held", "OnDelete"),
    "pods": ("canary", "deleted", "list/pods", "held", "OnDelete"),
    "log": ("canary", "began", "get/pods/log", "held", "OnDelete"),
    "release": ("batch 1 of 1", "ended", "patch/daemonsets.apps", "", "OnDelete"),
    "close": ("verify", "began", "update/configmaps", "not held", "RollingUpdate"),
}
"""From when on which request is refused for good; what is told of the hold, and what is true."""
END = {"close": "already-done"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("step", BROKEN)
def test_what_fails_for_good_is_a_clear_stop_and_the_same_command_goes_on(cluster, before, step):
    when, text, what, told, then = BROKEN[step]
    cluster.write_policy(on_failure={"canary": "hold"}, deadlines={**DEADLINES, "verify": 3})
    with begins(cluster, when, text, f"api-500:1/1@{what}"):
        outcome = cluster.migrate()
    assert_stopped(outcome)
    assert told in outcome.state
    assert strategy(cluster) == then
    cluster.lab.clear()
    assert_free(cluster)
    cluster.write_policy()
    assert_migrated(cluster, cluster.migrate(), before, ends=END.get(step, "done"))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("when", "text", "what"),
    [
        ("configuration", "began", "patch/daemonsets.apps"),
        ("configuration", "began", "update/configmaps"),
        ("nodes", "began", "list/pods"),
        ("rollback 1 of 2", "began", "delete/pods"),
        ("rollback 2 of 2", "began", "delete/pods"),
        ("rollback 2 of 2", "ended", "patch/daemonsets.apps"),
        ("verify", "began", "update/configmaps"),
    ],
)
def test_a_way_back_that_fails_for_good_is_gone_on_with(cluster, before, when, text, what):
    assert_migrated(cluster, cluster.migrate(), before)
    with begins(cluster, when, text, f"api-500:1/1@{what}"):
        assert_stopped(cluster.roll_back())
    cluster.lab.clear()
    assert_free(cluster)
    assert_taken_back(cluster, cluster.roll_back(), before)


def begins(cluster, when, text, fault):
    """The fault begins when the run tells this."""
    kind = text if text in {"began", "ended"} else ""
    return meanwhile(when, "" if kind else text, lambda: inject(cluster, fault), kind=kind)


def assert_stopped(outcome):
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    assert "mistake of this program" not in outcome.what
    assert "lab-1" in outcome.what
    assert outcome.next_steps
    refused = "the lab's fault api-500" in outcome.what and "/api" in outcome.what
    assert refused or f"{CANARY}: unknown: log line" in outcome.what
