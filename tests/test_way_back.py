"""Nodes of a lab that go from ipvs to nftables and back, and what they prove afterwards."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from nftwave.evidence import Expected, Standing
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.kube.daemonset import hold
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, PODS
from nftwave.lab.launch import running_lab
from nftwave.look import look_at_api
from nftwave.node.jumps import JumpHosts
from nftwave.prove import Subject, prove
from nftwave.reaching import opener
from nftwave.verify import verify_all
from nftwave.witness import Witness

SPEED = 60
SOON = 30.0
CRASHING = "lab-1-node-1"
LIES = {
    "ipvs-empty": {"virtual servers ip", "Services ip", "kube-ipvs0"},
    "tables-stay": {"nftables tables gone"},
}
"""Faults of nodes that only seem to be back, and all that has to be held against them."""
LIARS = dict(zip(LIES, ("lab-1-node-2", "lab-1-node-3"), strict=True))
HONEST = "lab-1-node-4"


class Back:
    """A lab cluster whose nodes are sent from one mode to the other."""

    def __init__(self, lab):
        self.lab = lab
        self.cluster = load_fleet(lab.fleet_file).cluster("lab-1")
        self.gateway = connect(self.cluster)

    def write(self, mode):
        """Write the mode into the ConfigMap."""
        config_map = self.gateway.get(CONFIG_MAPS, "kube-proxy", KUBE_SYSTEM)
        old = "nftables" if mode == "ipvs" else "ipvs"
        text = config_map["data"]["config.conf"]
        assert f"mode: {old}\n" in text
        changed = text.replace(f"mode: {old}\n", f"mode: {mode}\n")
        data = {**config_map["data"], "config.conf": changed}
        self.gateway.replace(CONFIG_MAPS, {**config_map, "data": data})

    def restart(self, *nodes):
        """Delete the kube-proxy pods of nodes; their uids. Returns when successors run."""
        with Witness(self.gateway) as witness:
            pods = {node: witness.pod(node) for node in nodes}
            for one in pods.values():
                self.gateway.delete(PODS, one.name, KUBE_SYSTEM, uid=one.uid)
            for node, one in pods.items():

                def began(pod, old=one.uid):
                    running = pod is not None and (pod.ready or pod.waiting)
                    return running and not pod.deleting and pod.uid != old

                assert began(witness.await_pod(node, began, seconds=SOON)), node
        return {node: one.uid for node, one in pods.items()}

    def verify(self, mode, deadline=0.0):
        facts = look_at_api(self.cluster, self.gateway)
        found = verify_all(facts, self.gateway, deadline=deadline, mode=mode)
        return {v.node: v for v in found}

    def prove(self, node, uid, deadline):
        """The verdict on a node whose pod of that uid was deleted, as the flows ask for it."""
        facts = look_at_api(self.cluster, self.gateway)
        (view,) = [one for one in facts.nodes if one.name == node]
        with Witness(self.gateway) as witness, JumpHosts() as jumps:
            pod = partial(witness.pod, node)
            way = opener(self.cluster, view, gateway=self.gateway, pod=pod, jumps=jumps)
            expected = Expected(facts.must_serve, replaced_uid=uid, deadline=deadline, mode="ipvs")
            subject = Subject(node, way, expected)
            return prove(witness, subject, deadline=deadline, probe_deadline=10)


@pytest.fixture(scope="module")
def back(tmp_path_factory):
    """A cluster that went to nftables, one node in vain, and is back in ipvs.

    Two nodes only seem to be.
    """
    with running_lab(tmp_path_factory.mktemp("back") / "lab", nodes=5, speed=SPEED) as lab:
        one = Back(lab)
        one.before = one.verify("ipvs")
        hold(one.gateway)
        lab.fault("lab-1", CRASHING, "crashloop")
        one.write("nftables")
        nodes = tuple(one.before)
        one.restart(*nodes)
        one.flipped = one.verify("nftables", deadline=SOON)
        one.still = one.verify("ipvs")
        for lie, node in LIARS.items():
            lab.fault("lab-1", node, lie)
        one.write("ipvs")
        one.replaced = one.restart(*nodes)
        yield one


def standings(verdicts):
    return {node: v.standing for node, v in verdicts.items()}


def test_before_any_change_every_node_proves_ipvs(back):
    assert set(standings(back.before).values()) == {Standing.VERIFIED}, back.before


def test_in_between_they_prove_nftables_and_not_ipvs(back):
    # A node that crash-loops was wiped all the same: it is in neither mode.
    others = {node for node in back.flipped if node != CRASHING}
    assert {back.flipped[node].standing for node in others} == {Standing.VERIFIED}
    assert {back.still[node].standing for node in others} == {Standing.FAILED}
    for verdicts in (back.flipped, back.still):
        assert verdicts[CRASHING].standing is not Standing.VERIFIED
    told = {e.name for e in back.still[HONEST].against()}
    assert {
        "/proxyMode",
        "log line",
        "virtual servers ip",
        "Services ip",
        "kube-ipvs0",
        "nftables tables gone",
    } <= told


def test_after_the_way_back_every_node_that_is_well_proves_ipvs_again(back):
    well = [node for node in back.replaced if node not in LIARS.values()]
    assert {CRASHING, HONEST} < set(well)
    found = {}

    def look(node):
        found[node] = back.prove(node, back.replaced[node], deadline=SOON)

    threads = [threading.Thread(target=look, args=(node,)) for node in well]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert standings(found) == dict.fromkeys(well, Standing.VERIFIED), found
    for verdict in found.values():
        assert verdict.mode == "ipvs"
        assert "replaced" in next(e.seen for e in verdict.evidence if e.name == "kube-proxy pod")
        # It is the lab's kernel that holds them, not the verdict's word.
        truth = back.lab.state()["clusters"]["lab-1"]["nodes"][verdict.node]
        assert truth["mode"] == "ipvs"
        assert truth["virtualServers"]
        assert not [table for table in truth["tables"] if "kube-proxy" in table]


@pytest.mark.parametrize(("lie", "told"), LIES.items())
def test_a_node_that_only_seems_to_be_back_is_never_verified(back, lie, told):
    verdict = back.prove(LIARS[lie], back.replaced[LIARS[lie]], deadline=3)
    assert verdict.standing is Standing.FAILED, verdict.why()
    held = {e.name for e in verdict.evidence if e.standing is Standing.VERIFIED}
    assert {"kube-proxy pod", "log line", "/proxyMode", "first sync ip"} <= held
    # Connections are the kernel's to carry or not, by what stays in it.
    failed = {e.name for e in verdict.against() if e.standing is Standing.FAILED}
    assert {name for name in failed if not name.startswith("connection to ")} == told


def test_a_pod_that_was_not_replaced_proves_nothing(back):
    with Witness(back.gateway) as witness:
        now = witness.pod(CRASHING)
    verdict = back.prove(CRASHING, now.uid, deadline=0)
    assert verdict.standing is Standing.FAILED
    assert "was not replaced" in verdict.why()
