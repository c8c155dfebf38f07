"""The three kinds of patch, on plain objects."""

from __future__ import annotations

import pytest

from nftwave.lab.machinery.jsonpatch import json_patch
from nftwave.lab.machinery.merge import json_merge, strategic_merge
from nftwave.lab.machinery.status import ApiStatus

CONTAINERS = [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        # The examples of RFC 7386.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches(target, patch, result):
    assert json_merge(target, patch) == result


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        pytest.param(
            {"containers": CONTAINERS},
            {"containers": [{"name": "a", "image": "2"}]},
            {"containers": [{**CONTAINERS[0], "image": "2"}, {"name": "b"}]},
            id="a container is found by its name",
        ),
        pytest.param(
            {"containers": CONTAINERS},
            {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]},
            {
                "containers": [
                    {
                        **CONTAINERS[0],
                        "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
                    },
                    {"name": "b"},
                ]
            },
            id="a new item is appended",
        ),
        pytest.param(
            {"containers": CONTAINERS},
            {"containers": [{"name": "a", "$patch": "delete"}]},
            {"containers": [{"name": "b"}]},
            id="an item is deleted",
        ),
        pytest.param(
            {"containers": CONTAINERS},
            {"containers": [{"name": "c"}, {"$patch": "replace"}]},
            {"containers": [{"name": "c"}]},
            id="a list is replaced",
        ),
        pytest.param(
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "b"}]},
            id="a list without merge key is replaced",
        ),
        pytest.param(
            {"s": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}},
            {"s": {"$retainKeys": ["type"], "type": "OnDelete"}},
            {"s": {"type": "OnDelete"}},
            id="only the keys to retain stay",
        ),
        pytest.param(
            {"labels": {"a": "1", "b": "2"}},
            {"labels": {"$patch": "replace", "c": "3"}},
            {"labels": {"c": "3"}},
            id="a map is replaced",
        ),
        pytest.param(
            {"labels": {"a": "1"}, "x": 1},
            {"labels": {"$patch": "delete"}},
            {"x": 1},
            id="a map is deleted",
        ),
        pytest.param({"a": 1}, {"a": None}, {}, id="null deletes"),
        pytest.param(
            {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 80, "name": "web"}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "web"}]},
            id="a container's port is found by its number",
        ),
        pytest.param(
            {"volumes": [{"name": "a"}, {"name": "b"}]},
            {
                "volumes": [{"name": "c"}],
                "$setElementOrder/volumes": [{"name": "c"}, {"name": "a"}],
            },
            {"volumes": [{"name": "c"}, {"name": "a"}, {"name": "b"}]},
            id="items are put in order",
        ),
        pytest.param(
            {"finalizers": ["a", "b"]},
            {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]},
            {"finalizers": ["b", "c"]},
            id="a set loses and gains",
        ),
    ],
)
def test_strategic_merge_patches(target, patch, result):
    before = repr(target)
    assert strategic_merge(target, patch) == result
    assert repr(target) == before


def test_an_item_without_its_merge_key_is_a_bad_request():
    with pytest.raises(ApiStatus) as refused:
        strategic_merge({"containers": CONTAINERS}, {"containers": [{"image": "x"}]})
    assert refused.value.code == 400


def test_json_patches():
    target = {"a": {"b": [1, 2]}, "c/d": 1}
    patch = [
        {"op": "test", "path": "/a/b/0", "value": 1},
        {"op": "add", "path": "/a/b/1", "value": 9},
        {"op": "add", "path": "/a/b/-", "value": 3},
        {"op": "replace", "path": "/c~1d", "value": 2},
        {"op": "copy", "from": "/a/b", "path": "/e"},
        {"op": "move", "from": "/c~1d", "path": "/f"},
        {"op": "remove", "path": "/a"},
    ]
    assert json_patch(target, patch) == {"e": [1, 9, 2, 3], "f": 2}
    assert target == {"a": {"b": [1, 2]}, "c/d": 1}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a", "value": 2},
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "dance", "path": "/a"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_invalid(operation):
    with pytest.raises(ApiStatus) as refused:
        json_patch({"a": 1}, [operation])
    assert refused.value.code == 422
