"""Emptying a node, against a lab cluster whose application pods move and have a budget."""

from __future__ import annotations

import threading
import time

import pytest

from nftwave.drain import CORDONED, NotDrained, cordon, drain, uncordon
from nftwave.errors import Conflict
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.kube.errors import ApiConflict, ApiNotFound
from nftwave.kube.resources import NODES, PODS
from nftwave.lab.launch import running_lab
from nftwave.tenants import Tenant

NODE = "lab-1-node-1"
ELSEWHERE = "lab-1-node-2"


class World:
    """A lab cluster, and what a test sees of it."""

    def __init__(self, lab):
        self.lab = lab
        self.gateway = connect(load_fleet(lab.fleet_file).cluster("lab-1"))
        self.told = []

    def drain(self, node=NODE, *, deadline=60.0, **how):
        return drain(self.gateway, node, deadline=deadline, tell=self.told.append, **how)

    def node(self, name=NODE):
        return self.gateway.get(NODES, name)

    def cordon_of(self, name=NODE):
        """Whether it is unschedulable, and whether by us."""
        node = self.node(name)
        ours = CORDONED in (node["metadata"].get("annotations") or {})
        return bool(node["spec"].get("unschedulable")), ours

    def pods(self, node=NODE):
        found = self.gateway.list(PODS, fields=f"spec.nodeName={node}").items
        return {f"{p['metadata']['namespace']}/{p['metadata']['name']}": p for p in found}

    def movable(self, node=NODE):
        return {name for name, pod in self.pods(node).items() if not Tenant.of(pod).stays}

    def put_pod(self, name, *, volumes=(), owners=(), namespace="default"):
        return self.gateway.create(PODS, bare(name, volumes, owners, namespace), namespace)

    def changes(self):
        """What was changed or was to be, each as `patch /api/v1/nodes/x`, and its HTTP status."""
        return [(f"{a['method'].lower()} {a['path']}", a["status"]) for a in self.lab.attempts()]


def bare(name, volumes=(), owners=(), namespace="default"):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": list(owners)},
        "spec": {
            "nodeName": NODE,
            "containers": [{"name": "c", "image": "registry.k8s.io/pause:3.10"}],
            "volumes": list(volumes),
        },
    }


def controller(kind):
    return {"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "u", "controller": True}


@pytest.fixture
def start(tmp_path):
    with_labs = []

    def one(nodes=4):
        entered = running_lab(tmp_path / "lab", nodes=nodes, speed=60)
        world = World(entered.__enter__())
        with_labs.append((entered, world))
        until = time.monotonic() + 30
        while not any(name.startswith("shop/") for name in world.pods()):
            assert time.monotonic() < until, "no application pod came"
            time.sleep(0.02)
        return world

    yield one
    for entered, world in with_labs:
        world.gateway.close()
        entered.__exit__(None, None, None)


@pytest.fixture
def world(start):
    return start()


# Cordoning


def test_a_cordon_and_whose_it_is_are_one_patch_and_so_is_the_way_back(world):
    assert cordon(world.gateway, NODE)
    assert world.cordon_of() == (True, True)
    assert cordon(world.gateway, NODE)
    assert uncordon(world.gateway, NODE)
    assert world.cordon_of() == (False, False)
    assert not uncordon(world.gateway, NODE)
    assert world.changes() == [(f"patch /api/v1/nodes/{NODE}", 200)] * 2


def test_a_node_that_somebody_else_cordoned_stays_as_it_is(world):
    world.gateway.merge(NODES, NODE, {"spec": {"unschedulable": True}})
    assert not cordon(world.gateway, NODE)
    world.drain()
    assert world.movable() == set()
    assert not uncordon(world.gateway, NODE)
    assert world.cordon_of() == (True, False)


@pytest.mark.parametrize("fault", ["api-lost:#1@patch", "api-500:2@patch", "api-429:1@patch"])
def test_a_cordon_whose_answer_does_not_come_is_made_once(world, fault):
    world.lab.fault("lab-1", "-", fault)
    assert cordon(world.gateway, NODE)
    assert world.cordon_of() == (True, True)
    assert [status for _, status in world.changes()].count(200) <= 1


def test_a_node_that_its_kubelet_writes_meanwhile_is_cordoned_all_the_same(world, monkeypatch):
    read = world.gateway.get
    writes = iter("abc")

    def get(resource, name, namespace=None):
        found = read(resource, name, namespace)
        for label in writes:  # a write between read and change, three times
            world.gateway.merge(resource, name, {"metadata": {"labels": {"beat": label}}})
            break
        return found

    monkeypatch.setattr(world.gateway, "get", get)
    assert cordon(world.gateway, NODE)
    assert world.cordon_of() == (True, True)
    assert [status for _, status in world.changes()].count(409) == 3


def test_a_node_that_left_the_cluster_is_not_to_be_uncordoned(world):
    assert not uncordon(world.gateway, "gone")
    with pytest.raises(ApiNotFound):
        cordon(world.gateway, "gone")


# Draining


def test_a_node_is_emptied_within_budgets_and_what_must_stay_stays(world):
    before, there = world.movable(), world.pods()
    staying = set(there) - before
    assert {name.partition("/")[0] for name in staying} == {"kube-system", "logging"}
    assert world.drain() == len(before)
    assert set(world.pods()) == staying
    assert {n: p["metadata"]["uid"] for n, p in world.pods().items()} == {
        n: there[n]["metadata"]["uid"] for n in staying
    }
    assert world.cordon_of() == (True, True)
    asked = [what for what, _ in world.changes()]
    assert asked[0] == f"patch /api/v1/nodes/{NODE}"
    assert all(what.endswith("/eviction") for what in asked[1:])
    assert f"{len(before)} pod" in world.told[0]


def test_static_pods_of_a_control_plane_stay(world):
    world.drain("lab-1-cp-1")
    left = {name.partition("/")[2] for name in world.pods("lab-1-cp-1")}
    assert {"etcd-lab-1-cp-1", "kube-apiserver-lab-1-cp-1"} < left
    assert not any("coredns" in name for name in left)


def test_a_budget_that_allows_the_second_only_later_is_waited_for(world):
    # All three of the shop on one node: its budget lets one go at a time.
    world.drain(ELSEWHERE)
    world.drain("lab-1-node-3")
    assert len([name for name in world.movable() if name.startswith("shop/")]) == 3
    uncordon(world.gateway, ELSEWHERE)
    uncordon(world.gateway, "lab-1-node-3")
    world.drain()
    assert world.movable() == set()
    assert 429 in [s for what, s in world.changes() if "/shop/" in what]
    assert any("The disruption budget web needs 2 healthy pods" in what for what in world.told)


def test_a_budget_that_never_allows_it_ends_at_the_deadline_and_is_named(start):
    world = start(nodes=2)  # no other worker: the first pod evicted waits for ever
    with pytest.raises(NotDrained) as error:
        world.drain(deadline=3.0)
    told = " ".join(error.value.lines())
    assert told.startswith(f"lab-1/{NODE}: not drained within 3 s; left: shop/web-")
    assert "The disruption budget web needs 2 healthy pods and has 2 currently" in told
    assert f"kube-proxy on {NODE} was not restarted; the node was uncordoned again" in told
    assert "raise policy.drain.deadline" in told
    assert world.cordon_of() == (False, False)


def test_a_drain_that_fails_leaves_a_node_cordoned_that_was(start):
    world = start(nodes=2)
    world.gateway.merge(NODES, NODE, {"spec": {"unschedulable": True}})
    with pytest.raises(NotDrained):
        world.drain(deadline=1.0)
    assert world.cordon_of() == (True, False)


def test_a_pod_that_nobody_would_make_anew_is_refused_before_anything_is_changed(world):
    world.put_pod("alone")
    with pytest.raises(NotDrained) as error:
        world.drain()
    told = " ".join(error.value.lines())
    assert f"lab-1/{NODE}: not drained: default/alone (no controller would make it anew)" in told
    assert "policy.drain.unmanaged: true" in told
    assert world.changes() == [("post /api/v1/namespaces/default/pods", 201)]
    world.drain(unmanaged=True)
    assert world.movable() == set()


def test_a_pod_with_an_empty_dir_is_refused_where_the_policy_says_so(world):
    volumes = [{"name": "scratch", "emptyDir": {}}]
    world.put_pod("scratch", volumes=volumes, owners=[controller("Job")])
    with pytest.raises(NotDrained, match=r"default/scratch \(the content of its emptyDir would"):
        world.drain(empty_dir=False)
    assert world.cordon_of() == (False, False)
    world.drain()
    assert world.movable() == set()


def test_a_pod_of_the_same_name_that_comes_back_is_not_evicted_for_ever(world):
    first = world.put_pod("db-0", owners=[controller("StatefulSet")])
    came_back = threading.Event()

    def again():
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                world.put_pod("db-0", owners=[controller("StatefulSet")])
            except ApiConflict:
                time.sleep(0.01)
            else:
                came_back.set()
                return

    making = threading.Thread(target=again)
    making.start()
    world.drain()
    making.join()
    assert came_back.is_set()
    assert world.pods()["default/db-0"]["metadata"]["uid"] != first["metadata"]["uid"]
    evictions = [s for what, s in world.changes() if "/db-0/" in what]
    assert evictions == [201]


EVICTION = "create/pods/eviction"


@pytest.mark.parametrize(
    "fault",
    [f"api-lost:1@{EVICTION}", f"api-429:2@{EVICTION}", f"api-500:2@{EVICTION}", "api-410",
     f"api-reset:1@{EVICTION}", "api-reset:1@watch/pods", "api-500:3@list/pods"],
)  # fmt: skip
def test_whatever_fault_it_meets_the_node_is_emptied_and_no_pod_is_evicted_twice(world, fault):
    expected = {name.partition("/")[2] for name in world.movable()}
    world.lab.fault("lab-1", "-", fault)
    world.drain()
    world.lab.clear()
    assert world.movable() == set()
    evicted = [w.split("/")[-2] for w, s in world.changes() if w.endswith("/eviction") and s == 201]
    assert len(evicted) == len(set(evicted))
    assert set(evicted) <= expected


def test_a_run_that_may_not_go_on_stops_before_the_next_change_and_leaves_its_mark(world):
    calls = []

    def may_go_on():
        calls.append(len(world.changes()))
        if len(calls) == 3:
            raise Conflict("the lock was lost")

    with pytest.raises(Conflict, match="the lock was lost"):
        world.drain(may_go_on=may_go_on)
    assert world.cordon_of() == (True, True)
    assert len(world.changes()) == calls[-1]
    # Whoever comes next goes on, and knows that the node may be uncordoned.
    world.drain()
    assert world.movable() == set()
    assert uncordon(world.gateway, NODE)
    assert world.cordon_of() == (False, False)


# Who stays


@pytest.mark.parametrize(
    ("change", "stays", "objection"),
    [
        ({}, "", "no controller would make it anew"),
        ({"owners": [controller("ReplicaSet")]}, "", ""),
        ({"owners": [{**controller("Node"), "controller": False}]}, "", "no controller"),
        ({"owners": [controller("DaemonSet")]}, "is of a DaemonSet", ""),
        ({"volumes": [{"name": "a", "emptyDir": {}}]}, "", "no controller"),
        (
            {"owners": [controller("Job")], "volumes": [{"name": "a", "emptyDir": {}}]},
            "",
            "the content of its emptyDir would be lost",
        ),
        (
            {"owners": [controller("Job")], "volumes": [{"name": "a", "configMap": {"name": "x"}}]},
            "",
            "",
        ),
    ],
)
def test_what_is_done_with_a_pod(change, stays, objection):
    pod = bare("p", **change)
    pod["metadata"]["uid"] = "u"
    one = Tenant.of(pod)
    assert one.stays == stays
    assert one.objection(unmanaged=False, empty_dir=False).startswith(objection)
    assert bool(one.objection(unmanaged=False, empty_dir=False)) is bool(objection)
    assert one.objection(unmanaged=True, empty_dir=True) == ""


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_hinders_nothing(phase):
    pod = {**bare("p"), "status": {"phase": phase}}
    pod["metadata"]["uid"] = "u"
    assert Tenant.of(pod).stays == "has ended"
    assert Tenant.of(pod).objection(unmanaged=False, empty_dir=False) == ""


def test_a_pod_that_is_ending_anyway_is_no_reason_to_refuse():
    pod = bare("p")
    pod["metadata"] |= {"uid": "u", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert Tenant.of(pod).objection(unmanaged=False, empty_dir=False) == ""
