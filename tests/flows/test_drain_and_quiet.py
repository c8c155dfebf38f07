"""Nodes that are emptied, or waited for until they are quiet, before their kube-proxy goes."""

from __future__ import annotations

import pytest

from nftwave import lease, progress, quiet
from nftwave.drain import CORDONED
from nftwave.kube.resources import NODES, PODS, Resource
from nftwave.lab.launch import running_lab
from nftwave.tenants import Tenant
from tests.flows.conftest import SPEED, Cluster
from tests.flows.driving import meanwhile, replaced, strategy, told, wait_until

CANARY, THEIRS = "lab-1-node-1", "lab-1-node-3"
BUDGETS = Resource("/apis/policy/v1", "poddisruptionbudgets")
POLICY = {
    "canary": {"nodes": [CANARY]},
    "batches": {"soak": 0, "sizes": [2]},
    "interruption_probe": "off",
    "deadlines": {"verify": 20, "successor": 20, "probe": 6, "connect": 2},
}


@pytest.fixture(autouse=True)
def soon_quiet(monkeypatch):
    """Looks for quiet follow each other in the lab's time."""
    monkeypatch.setattr(quiet, "PAUSE", 0.2)


@pytest.fixture
def draining(tmp_path, prefect):
    """Five nodes, all of which are to be drained; each worker has something to lose."""
    with running_lab(tmp_path / "lab", nodes=5, speed=SPEED) as lab:
        cluster = Cluster(lab, {**POLICY, "drain": {"everywhere": True, "deadline": 30}})
        wait_until(lambda: any("shop" in one for one in movable(cluster, CANARY)))
        yield cluster


@pytest.fixture
def busy(tmp_path, prefect):
    """Two nodes; slow enough for connections that take a while to end."""
    with running_lab(tmp_path / "lab", nodes=2, speed=8) as lab:
        yield Cluster(lab, POLICY)


def movable(cluster, node):
    """Pods on a node that a drain has to move."""
    pods = cluster.gateway().list(PODS, fields=f"spec.nodeName={node}").items
    return [str(one) for one in map(Tenant.of, pods) if not one.stays]


def cordoned(cluster):
    """Nodes that take no pods, and whether it is us who keep them away."""
    nodes = cluster.gateway().list(NODES).items
    return {
        node["metadata"]["name"]: CORDONED in (node["metadata"].get("annotations") or {})
        for node in nodes
        if node["spec"].get("unschedulable")
    }


def budget(cluster, unavailable):
    """Let so many pods of shop/web go at once, and wait until that is known."""
    gateway = cluster.gateway()
    (one,) = gateway.list(BUDGETS, "shop").items
    spec = {**one["spec"], "maxUnavailable": unavailable}
    gateway.replace(BUDGETS, {**one, "spec": spec})
    wait_until(
        lambda: (
            gateway.list(BUDGETS, "shop").items[0]["status"]["disruptionsAllowed"] == unavailable
        )
    )


def assert_free(cluster):
    found = lease.read(cluster.gateway())
    assert found is None or not found.identity, found.who()


def test_each_node_is_empty_and_cordoned_when_its_kube_proxy_goes_and_open_again_after(draining):
    draining.gateway().merge(NODES, THEIRS, {"spec": {"unschedulable": True}})
    seen = {}

    def hear(event: progress.Event) -> None:
        node, _, what = event.text.partition(": ")
        if what.startswith("kube-proxy pod") and what.endswith("deleted"):
            # Told before it is done: the run waits for this.
            seen[node] = (movable(draining, node), cordoned(draining).get(node))

    progress.listeners.append(hear)
    try:
        outcome = draining.migrate()
    finally:
        progress.listeners.remove(hear)
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.words()
    ours = {node: node != THEIRS for node in draining.modes()}
    assert seen == {node: ([], mark) for node, mark in ours.items()}
    assert cordoned(draining) == {THEIRS: False}
    assert replaced(draining) == 5
    assert_free(draining)


def test_a_budget_that_never_allows_it_is_a_clear_stop_with_nothing_flipped(draining):
    budget(draining, 0)
    draining.write_policy(drain={"everywhere": True, "deadline": 2})
    pods = draining.pods()
    outcome = draining.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    assert f"{CANARY}: not drained within 2 s" in outcome.what
    assert "shop/web" in outcome.what
    assert "disruption budget" in outcome.what
    assert draining.pods() == pods
    assert set(draining.modes().values()) == {"ipvs"}
    assert cordoned(draining) == {}
    assert strategy(draining) == "OnDelete"
    assert_free(draining)
    budget(draining, 1)
    draining.write_policy()
    outcome = draining.migrate()
    assert outcome.status == "done", outcome.words()
    assert cordoned(draining) == {}
    assert replaced(draining) == 5


def test_a_rolled_back_canary_is_open_again_and_nobody_else_was_cordoned(draining):
    draining.write_policy(deadlines={**POLICY["deadlines"], "verify": 2, "successor": 8})
    draining.lab.fault("lab-1", CANARY, "never-syncs")
    outcome = draining.migrate()
    assert (outcome.status, outcome.exit_status) == ("rolled-back", 5), outcome.words()
    assert cordoned(draining) == {}
    asked = [a["path"] for a in draining.lab.attempts() if "/nodes/" in a["path"]]
    assert {path.rsplit("/", 1)[1] for path in asked} == {CANARY}


def quietly(cluster, **policy):
    cluster.write_policy(quiet={"max_connections": 50, **policy})


def test_a_busy_node_is_waited_for_until_it_is_quiet(busy):
    quietly(busy, wait_seconds=60)
    with meanwhile(
        "canary", "", lambda: busy.lab.fault("lab-1", CANARY, "busy"), kind="began"
    ) as events:
        outcome = busy.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.words()
    lines = [e.text for e in events if e.step == "canary" and e.kind == "line"]
    waited = [n for n, line in enumerate(lines) if "waiting for at most 50 connections" in line]
    gone = next(n for n, line in enumerate(lines) if line.endswith("deleted"))
    assert waited
    assert max(waited) < gone
    assert_free(busy)


def test_a_node_that_stays_busy_is_changed_all_the_same_where_the_policy_says_go_on(busy):
    quietly(busy, wait_seconds=1, otherwise="go-on")
    busy.lab.fault("lab-1", CANARY, "always-busy")
    with told() as events:
        outcome = busy.migrate()
    assert (outcome.status, outcome.exit_status) == ("done", 0), outcome.words()
    assert any("waiting for at most 50 connections" in e.text for e in events)


def test_a_node_that_stays_busy_stops_the_run_where_the_policy_says_so(busy):
    quietly(busy, wait_seconds=1, otherwise="stop")
    busy.lab.fault("lab-1", CANARY, "always-busy")
    pods = busy.pods()
    outcome = busy.migrate()
    assert (outcome.status, outcome.exit_status) == ("failed", 1), outcome.words()
    assert CANARY in outcome.what
    assert "still 2" in outcome.what  # 200 and a few
    assert "connections established through ipvs after 1 s" in outcome.what
    assert any("policy.quiet.otherwise" in step for step in outcome.next_steps)
    assert busy.pods() == pods
    assert strategy(busy) == "OnDelete"
    assert_free(busy)
    busy.lab.clear()
    outcome = busy.migrate()
    assert outcome.status == "done", outcome.words()
    assert replaced(busy) == 2
