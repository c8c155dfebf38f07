"""Nodes that look well and are not: none is ever called verified. One migration, a lie a node."""

from __future__ import annotations

import pytest

from nftwave.evidence import Standing
from nftwave.lab.launch import running_lab
from tests.flows.conftest import SPEED, Cluster

LIES = {
    "half-services": "Services ip",
    "ipvs-left": "no ipvs rules",
    "log-without-tables": "table ip kube-proxy",
    "map-keys-missing": "map service-ips ip",
    "never-syncs": "first sync ip",
    "no-endpoint-lie": "no-endpoint-services ip",
    "one-family-missing": "table ip6 kube-proxy",
    "other-process": "answering process",
    "ready-without-rules": "/proxyMode",
    "stale-tables": "first sync ip",
    "tables-without-services": "map service-ips ip",
}
"""Each lie, and a piece of evidence that tells it."""
HONEST = "lab-1-cp-1"
NODES = {lie: f"lab-1-node-{number}" for number, lie in enumerate([*LIES, "conntrack-full"], 1)}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, prefect):
    folder = tmp_path_factory.mktemp("liars") / "lab"
    with running_lab(folder, nodes=len(NODES) + 3, speed=SPEED) as lab:
        cluster = Cluster(lab)
        cluster.write_policy(
            deadlines={"verify": 6, "successor": 20, "probe": 6},
            canary={"nodes": [HONEST]},
            batches={"sizes": ["100%"], "at_once": 20, "failure_budget": len(LIES), "soak": 0},
        )
        for lie, node in NODES.items():
            lab.fault("lab-1", node, lie)
        yield cluster.migrate()


@pytest.mark.parametrize(("lie", "told"), LIES.items())
def test_a_lying_node_is_never_verified_and_its_verdict_tells_the_lie(outcome, lie, told):
    (verdict,) = [v for v in outcome.verdicts if v.node == NODES[lie]]
    assert verdict.standing is not Standing.VERIFIED
    assert told in {e.name for e in verdict.against()}, verdict.why()


def test_the_run_fails_and_the_honest_nodes_are_verified(outcome):
    assert (outcome.status, outcome.exit_status) == ("failed", 1)
    liars = {NODES[lie] for lie in LIES}
    honest = {v.node: v.standing for v in outcome.verdicts if v.node not in liars}
    assert len(honest) == 4
    assert set(honest.values()) == {Standing.VERIFIED}


def test_a_full_connection_table_is_said_and_does_not_fail_a_node(outcome):
    (verdict,) = [v for v in outcome.verdicts if v.node == NODES["conntrack-full"]]
    assert [e.name for e in verdict.warnings() if e.name == "conntrack table"]
