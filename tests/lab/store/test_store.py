"""The store by itself: histories that add up, subscriptions, seeds."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nftwave.lab.machinery.status import ApiStatus
from nftwave.lab.store.store import Store

STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "update", "delete"]), st.sampled_from("abcd")),
    min_size=1,
    max_size=40,
)


def config_map(name, **data):
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


def apply(store, step, name, number):
    try:
        if step == "create":
            store.create("configmaps", config_map(name, n=str(number)))
        elif step == "update":
            store.update("configmaps", config_map(name, n=str(number)))
        else:
            store.delete("configmaps", "default", name)
    except ApiStatus as error:
        if error.code not in {404, 409}:
            raise


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_any_past_plus_what_came_after_is_the_present(steps):
    store = Store()
    pasts = {0: []}
    for number, (step, name) in enumerate(steps):
        apply(store, step, name, number)
        pasts[store.resource_version] = store.list("configmaps")
    for version, past in pasts.items():
        assert [found.obj for found in store.versions("configmaps", at=version)] == past
        rebuilt = {obj["metadata"]["name"]: obj for obj in past}
        for event in store.events_after("configmaps", version):
            name = event.version.obj["metadata"]["name"]
            assert (event.type == "ADDED") is (name not in rebuilt)
            rebuilt[name] = event.version.obj
            if event.type == "DELETED":
                del rebuilt[name]
        assert [rebuilt[name] for name in sorted(rebuilt)] == store.list("configmaps")


def test_a_stale_update_is_refused_and_a_fresh_one_raises_the_version():
    store = Store()
    made = store.create("configmaps", config_map("a"))
    store.update("configmaps", {**made, "data": {"n": "1"}})
    with pytest.raises(ApiStatus) as refused:
        store.update("configmaps", {**made, "data": {"n": "2"}})
    assert refused.value.reason == "Conflict"
    assert store.get("configmaps", "default", "a")["data"] == {"n": "1"}


def test_a_delete_of_another_uid_is_refused():
    store = Store()
    store.create("configmaps", config_map("a"))
    with pytest.raises(ApiStatus) as refused:
        store.delete("configmaps", "default", "a", uid="other")
    assert refused.value.code == 409


def test_what_was_handed_out_never_changes():
    store = Store()
    made = store.create("configmaps", config_map("a", n="1"))
    before = json.dumps(made)
    store.update("configmaps", config_map("a", n="2"))
    store.terminate("configmaps", "default", "a", grace_seconds=5)
    assert json.dumps(made) == before


def test_subscribers_get_the_changes_of_their_resources_in_order():
    store = Store()

    async def follow():
        changes = store.subscribe("configmaps", "leases.coordination.k8s.io")
        store.create("configmaps", config_map("a"))
        store.create("namespaces", {"metadata": {"name": "x"}})
        store.create("leases.coordination.k8s.io", config_map("l"))
        store.delete("configmaps", "default", "a")
        changes.close()
        store.create("configmaps", config_map("b"))
        return [(key, kind, obj["metadata"]["name"]) async for key, (kind, obj) in changes]

    assert asyncio.run(follow()) == [
        ("configmaps", "ADDED", "a"),
        ("leases.coordination.k8s.io", "ADDED", "l"),
        ("configmaps", "DELETED", "a"),
    ]


def test_a_subscriber_that_does_not_read_is_dropped_at_its_limit():
    store = Store()

    async def ignore():
        changes = store.subscribe("configmaps", limit=2)
        for name in "abc":
            store.create("configmaps", config_map(name))
        return changes.overrun, [change async for change in changes]

    assert asyncio.run(ignore()) == (True, [])


def test_each_version_is_serialised_once():
    store = Store()
    store.create("configmaps", config_map("a"))
    (version,) = store.versions("configmaps")
    first = version.json()
    assert version.json() is first
    assert json.loads(first) == version.obj
    item = json.loads(version.item_json())
    assert item == {key: version.obj[key] for key in ("metadata", "data")}


def test_default_values_are_no_change_of_the_spec():
    store = Store()
    template = {"spec": {"containers": [{"name": "c"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    metadata = {"name": "d", "namespace": "default"}
    store.create("daemonsets.apps", {"metadata": metadata, "spec": spec})
    again = store.update("daemonsets.apps", {"metadata": metadata, "spec": spec})
    assert again["metadata"]["resourceVersion"] == "1"
    labelled = {**metadata, "labels": {"a": "b"}}
    again = store.update("daemonsets.apps", {"metadata": labelled, "spec": spec})
    assert again["metadata"]["resourceVersion"] == "2"
    assert again["metadata"]["generation"] == 1
