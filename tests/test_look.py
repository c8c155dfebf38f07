"""Reading a cluster: what is asked, how often, and what a second look is for."""

from __future__ import annotations

import threading

import pytest

from nftwave import look as looking
from nftwave.findings import judge
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.kube.resources import SERVICES
from nftwave.lab.launch import running_lab
from nftwave.look import look
from nftwave.node.facts import NodeFacts


@pytest.fixture
def opened(tmp_path):
    """Start a lab of so many nodes; returns it, its cluster and a gateway to it."""
    running = []

    def start(nodes=1, **options):
        lab = running_lab(tmp_path / f"lab-{len(running)}", nodes=nodes, speed=60, **options)
        running.append(lab)
        started = lab.__enter__()
        cluster = load_fleet(started.fleet_file).cluster("lab-1")
        return started, cluster, connect(cluster)

    yield start
    for lab in running:
        lab.__exit__(None, None, None)


def codes(facts):
    return {f.code for f in judge(facts)}


def requests(lab):
    return lab.state()["clusters"]["lab-1"]["api"]["requestCount"]


def test_the_number_of_requests_does_not_grow_with_the_nodes(opened):
    counts = []
    for nodes in (1, 12):
        lab, cluster, gateway = opened(nodes)
        before = requests(lab)
        facts = look(cluster, gateway)
        counts.append(requests(lab) - before)
        assert len(facts.probes) == nodes
        assert all(isinstance(probe, NodeFacts) for probe in facts.probes.values())
    assert counts[0] == counts[1] < 60


def test_nothing_is_changed_by_looking(opened):
    lab, cluster, gateway = opened()
    look(cluster, gateway)
    state = lab.state()["clusters"]["lab-1"]
    assert [m for m in state["api"]["mutations"] if "nftwave" in m["userAgent"]] == []


def test_a_foreign_virtual_server_blocks_after_a_second_look(opened, monkeypatch):
    monkeypatch.setattr(looking, "SETTLING", 0.0)
    lab, cluster, gateway = opened(2)
    assert "foreign-ipvs" not in codes(look(cluster, gateway))
    lab.fault("lab-1", "lab-1-node-1", "foreign-ipvs")
    facts = look(cluster, gateway)
    (found,) = [f for f in judge(facts) if f.code == "foreign-ipvs"]
    assert found.subject == "node lab-1-node-1"
    assert "192.0.2.10:80" in found.evidence


def test_a_service_deleted_a_moment_ago_is_not_foreign(opened, monkeypatch):
    """The list no longer has it, the node still does; at the second look it is gone there too."""
    _, cluster, gateway = opened(2)
    monkeypatch.setattr(looking, "SETTLING", 0.0)
    real, lists = gateway.list, []

    def listed(resource, namespace=None, **selectors):
        found = real(resource, namespace, **selectors)
        if resource is not SERVICES:
            return found
        lists.append(1)
        # As if `echo` was deleted before the first list and made anew before the second.
        items = [i for i in found.items if len(lists) > 1 or i["metadata"]["name"] != "echo"]
        return type(found)(tuple(items), found.resource_version)

    monkeypatch.setattr(gateway, "list", listed)
    facts = look(cluster, gateway)
    assert len(lists) == 2
    assert "foreign-ipvs" not in codes(facts)
    assert len({str(service) for service in facts.around.services}) == len(facts.around.services)


def test_the_second_look_waits_until_kube_proxy_can_have_followed(opened, monkeypatch):
    lab, cluster, gateway = opened(2)
    lab.fault("lab-1", "lab-1-node-1", "foreign-ipvs")
    waited = []
    monkeypatch.setattr(looking, "SETTLING", 60.0)
    monkeypatch.setattr(looking.time, "sleep", waited.append)
    assert "foreign-ipvs" in codes(look(cluster, gateway))
    assert 40 < sum(w for w in waited if w > 1) <= 60


@pytest.mark.parametrize(
    ("node", "fault", "code"),
    [
        ("-", "kubeadm-upgrade-midway", "kubeadm-upgrade"),
        ("-", "gitops-revert", "owner-reverts"),
        ("lab-1-node-1", "node-not-ready", "node-not-ready"),
    ],
)
def test_what_the_lab_can_break_is_found_before_anything_is_changed(opened, node, fault, code):
    lab, cluster, gateway = opened(2)
    assert code not in codes(look(cluster, gateway))
    lab.fault("lab-1", node, fault)
    waiting = threading.Event()
    for _ in range(100):
        if code in codes(look(cluster, gateway)):
            return
        waiting.wait(0.05)
    raise AssertionError(f"{code} was not found")
