"""Looking at nodes without SSH: by exec in their kube-proxy pods."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from nftwave.evidence import Standing
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.lab.launch import running_lab
from nftwave.look import look
from nftwave.verify import verify_all
from tests.flows.conftest import SPEED, Cluster

NODE = "lab-1-node-1"
ONLY_THE_HOST = {
    "/proxyMode",
    "answering process",
    "first sync ip",
    "first sync ip6",
    "sync failures",
    "no ipvs rules",
    "kube-ipvs0 gone",
    "connection to default/kubernetes (10.96.0.1:443)",
    "connection to kube-system/kube-dns (10.96.0.10:53)",
}
"""What no program in kube-proxy's image tells."""


class ByExec(Cluster):
    def facts(self):
        cluster = load_fleet(self.lab.fleet_file).cluster("lab-1")
        return look(cluster, connect(cluster))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory, prefect):
    """Three nodes in nftables mode, one of which lies, and the outcome of their migration."""
    folder = tmp_path_factory.mktemp("exec") / "lab"
    with running_lab(folder, nodes=3, speed=SPEED) as lab:
        cluster = ByExec(lab)
        text = lab.fleet_file.read_text()
        lab.fleet_file.write_text(f"access: exec\n{text}")
        # In batches the first unknown node ends the run.
        cluster.write_policy(strategy="rolling", deadlines={"verify": 2, "successor": 20})
        lab.fault("lab-1", NODE, "no-endpoint-lie")
        before = cluster.facts()
        yield cluster, before, cluster.migrate()


def test_preflight_sees_what_the_pods_show_and_warns_of_the_rest(migrated):
    _, before, outcome = migrated
    probe = before.probes[NODE]
    assert probe.tables
    assert probe.kernel.startswith("6.1")
    assert probe.proxy_nft == "1.0.6"
    assert probe.health.status == 200
    assert "exec cannot see it" in probe.virtual_servers.reason
    assert "exec-sees-less" in {f.code for f in outcome.findings}


def test_a_node_is_unknown_at_best_for_exactly_what_only_the_host_tells(migrated):
    _, _, outcome = migrated
    honest = [v for v in outcome.verdicts if v.node != NODE]
    assert len(honest) == 2
    for verdict in honest:
        assert verdict.standing is Standing.UNKNOWN
        assert {e.name for e in verdict.against()} == ONLY_THE_HOST
        assert verdict.why().count("exec cannot see it") == 1
        seen = {e.name for e in verdict.evidence if e.standing is Standing.VERIFIED}
        assert {"table ip kube-proxy", "Services ip", "no-endpoint-services ip"} <= seen


def test_a_node_that_lies_in_its_maps_fails(migrated):
    _, _, outcome = migrated
    (verdict,) = [v for v in outcome.verdicts if v.node == NODE]
    assert verdict.standing is Standing.FAILED
    assert "default/echo" in verdict.why()


def test_nobody_waits_for_what_exec_can_never_see(migrated):
    cluster, _, _ = migrated
    facts = cluster.facts()
    honest = tuple(node for node in facts.nodes if node.name != NODE)
    begun = time.monotonic()
    found = verify_all(replace(facts, nodes=honest), cluster.gateway(), deadline=90)
    assert {v.standing for v in found} == {Standing.UNKNOWN}
    assert time.monotonic() - begun < 45


def test_a_single_look_by_exec_still_sees_that_the_container_stays_up(migrated):
    cluster, _, _ = migrated
    found = verify_all(cluster.facts(), cluster.gateway(), deadline=0)
    honest = [v for v in found if v.node != NODE]
    assert {e.name for v in honest for e in v.against()} == ONLY_THE_HOST


def test_no_ssh_connection_was_made(migrated):
    cluster, _, _ = migrated
    assert {node["ssh"]["connections"] for node in cluster.state["nodes"].values()} == {0}


def test_an_image_without_nft_is_found_before_it_can_do_harm(tmp_path, prefect):
    with running_lab(tmp_path / "lab", nodes=2, speed=SPEED) as lab:
        lab.fleet_file.write_text(f"access: exec\n{lab.fleet_file.read_text()}")
        lab.fault("lab-1", NODE, "image-without-nft")
        cluster = ByExec(lab)
        outcome = cluster.migrate()
        assert (outcome.status, outcome.exit_status) == ("blocked", 3)
        assert "image-nft-unfit" in {f.code for f in outcome.findings}
        assert cluster.mutations() == []


def test_without_the_permission_it_says_which_is_missing(tmp_path):
    from nftwave.errors import Unreachable
    from nftwave.kube.podexec import run_in_pod

    with running_lab(tmp_path / "lab", nodes=2, speed=SPEED) as lab:
        gateway = ByExec(lab).gateway()
        with pytest.raises(Unreachable, match='pods "nobody" not found'):
            run_in_pod(gateway, "kube-system", "nobody", ["nft"], deadline=5)
