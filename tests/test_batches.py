"""The order of nodes: every node once, the canary first, the control plane as the policy says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nftwave.batches import CONTROL_PLANE, arrange, share, to_drain
from nftwave.errors import BadInput
from nftwave.fleet import Cluster, Drain
from tests.facts import node

ZONE = "topology.kubernetes.io/zone"


def nodes(*, workers: int, control_planes: int = 1, zones: int = 1):
    made = [node(f"cp-{i}", labels={CONTROL_PLANE[0]: ""}) for i in range(control_planes)]
    return [*made, *(node(f"n-{i}", labels={ZONE: f"z{i % zones}"}) for i in range(workers))]


def cluster(**policy):
    return Cluster.model_validate({"name": "c", "in_cluster": True, "policy": policy})


def test_one_worker_goes_first_and_the_control_plane_last_each_alone():
    made = arrange(cluster(batches={"sizes": [2]}), nodes(workers=5, control_planes=2))
    assert made == (("n-0",), ("n-1", "n-2"), ("n-3", "n-4"), ("cp-0",), ("cp-1",))


def test_the_control_plane_can_go_first_and_be_the_canary():
    policy = {"sizes": [5], "control_plane": "first"}
    made = arrange(cluster(batches=policy), nodes(workers=3, control_planes=2))
    assert made == (("cp-0",), ("cp-1",), ("n-0", "n-1", "n-2"))


def test_sizes_are_numbers_or_per_cent_of_all_and_the_last_is_repeated():
    made = arrange(cluster(batches={"sizes": [1, "20%"]}), nodes(workers=9))
    assert [len(batch) for batch in made] == [1, 1, 2, 2, 2, 1, 1]


def test_a_batch_is_mixed_over_zones():
    made = arrange(cluster(batches={"sizes": [3]}), nodes(workers=9, zones=3, control_planes=0))
    assert made[:2] == (("n-0",), ("n-1", "n-2", "n-3"))
    assert made[2] == ("n-4", "n-5", "n-6")


def test_canaries_by_name_by_label_and_by_number():
    some = nodes(workers=6, zones=2)
    assert arrange(cluster(canary={"nodes": ["n-4", "n-2"]}), some)[0] == ("n-2", "n-4")
    labels = {"selector": {ZONE: "z1"}, "count": 2}
    assert arrange(cluster(canary=labels), some)[0] == ("n-1", "n-3")
    assert arrange(cluster(canary={"count": 3}), some)[0] == ("n-0", "n-1", "n-2")
    assert arrange(cluster(canary={"count": 100}), some)[1:] == ()


def test_a_canary_that_is_not_there_is_told():
    with pytest.raises(BadInput, match="no node n-7, n-8") as caught:
        arrange(cluster(canary={"nodes": ["n-8", "n-1", "n-7"]}), nodes(workers=3))
    assert caught.value.field == "policy.canary.nodes"
    with pytest.raises(BadInput, match="pool=db"):
        arrange(cluster(canary={"selector": {"pool": "db"}}), nodes(workers=3))


def test_no_nodes_no_batches():
    assert arrange(cluster(), []) == ()


@given(
    workers=st.integers(0, 60),
    control_planes=st.integers(0, 5),
    zones=st.integers(1, 4),
    sizes=st.lists(
        st.one_of(st.integers(1, 20), st.integers(1, 100).map(lambda n: f"{n}%")),
        min_size=1,
        max_size=4,
    ),
    count=st.integers(1, 70),
    first=st.booleans(),
)
def test_every_node_has_one_turn(workers, control_planes, zones, sizes, count, first):
    some = nodes(workers=workers, control_planes=control_planes, zones=zones)
    order = {"sizes": sizes, "control_plane": "first" if first else "last"}
    made = arrange(cluster(batches=order, canary={"count": count}), some)
    turns = [name for batch in made for name in batch]
    assert sorted(turns) == sorted(n.name for n in some)
    assert all(made)
    assert not made or len(made[0]) == min(count, len(some))


def test_parts_of_a_node_count_for_a_size_and_not_for_a_budget():
    assert share("10%", 15, up=True) == 2
    assert share("10%", 15, up=False) == 1
    assert share(7, 3, up=True) == 7


@pytest.mark.parametrize(
    ("drain", "names"),
    [
        ({"everywhere": True}, ("cp-0", "n-0", "n-1")),
        ({"everywhere": False, "nodes": ("n-0",)}, ()),
        ({"nodes": ("n-1", "gone")}, ("n-1",)),
        ({"selector": {ZONE: "z0"}}, ("n-0",)),
        ({}, ()),
    ],
)
def test_which_nodes_are_drained(drain, names):
    assert to_drain(nodes(workers=2, zones=2), Drain.model_validate(drain)) == names
