"""Watches, from a client's side."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading

import pytest

from nftwave.lab.machinery.status import ApiStatus
from nftwave.lab.store.store import Store

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def config_map(name, labels=None, **data):
    return {
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "data": data,
    }


def read(response, count):
    return [json.loads(response.readline()) for _ in range(count)]


def summary(events):
    return [(e["type"], e["object"]["metadata"].get("name")) for e in events]


def test_a_watch_is_open_before_anything_happens(served):
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10") as response:
        assert response.status == 200
        served.do(served.store.create, "configmaps", config_map("a"))
        assert summary(read(response, 1)) == [("ADDED", "a")]


def test_a_watch_from_a_resource_version_resumes_without_gap_or_repeat(served):
    first = served.do(served.store.create, "configmaps", config_map("a"))
    for name in "bcd":
        served.do(served.store.create, "configmaps", config_map(name))
    number = first["metadata"]["resourceVersion"]
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10&resourceVersion={number}"
    with served.opened("GET", path) as response:
        seen = read(response, 2)
    served.do(served.store.delete, "configmaps", "default", "a")
    number = seen[-1]["object"]["metadata"]["resourceVersion"]
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10&resourceVersion={number}"
    with served.opened("GET", path) as response:
        seen += read(response, 2)
    assert summary(seen) == [("ADDED", "b"), ("ADDED", "c"), ("ADDED", "d"), ("DELETED", "a")]


def test_many_changes_while_a_watch_is_read_arrive_each_once_and_in_order(served):
    served.do(served.store.create, "configmaps", config_map("a", n="0"))

    def change(count):
        for number in range(1, count + 1):
            served.store.update("configmaps", config_map("a", n=str(number)))

    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=20"
    with served.opened("GET", path) as response:
        writer = threading.Thread(target=served.do, args=(change, 3000))
        writer.start()
        events = read(response, 3001)
        writer.join()
    assert [event["object"]["data"]["n"] for event in events] == [str(n) for n in range(3001)]


def test_a_watch_from_before_the_known_history_ends_with_an_expired_error(served):
    served.do(served.store.create, "configmaps", config_map("a"))
    served.do(served.store.forget_history)
    events = served.ask("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion=1&timeoutSeconds=5").lines
    assert [event["type"] for event in events] == ["ERROR"]
    assert events[0]["object"]["reason"] == "Expired"
    assert events[0]["object"]["code"] == 410


def test_history_is_bounded_by_the_window():
    store = Store(window=10)
    for number in range(20):
        store.create("configmaps", config_map(f"c{number}"))
    assert len(list(store.events_after("configmaps", 10))) == 10
    with pytest.raises(ApiStatus) as refused:
        store.events_after("configmaps", 9)
    assert refused.value.code == 410


def test_an_object_that_leaves_the_label_selector_is_shown_as_deleted(served):
    served.do(served.store.create, "configmaps", config_map("a", {"app": "x"}))
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10&labelSelector=app%3Dx"
    with served.opened("GET", path) as response:
        (first,) = read(response, 1)
        out = served.do(served.store.update, "configmaps", config_map("a", {"app": "y"}))
        served.do(served.store.update, "configmaps", config_map("a", {"app": "y"}, n="1"))
        served.do(served.store.update, "configmaps", config_map("a", {"app": "x"}))
        left, back = read(response, 2)
    assert [first["type"], left["type"], back["type"]] == ["ADDED", "DELETED", "ADDED"]
    assert left["object"]["metadata"]["labels"] == {"app": "x"}
    assert left["object"]["metadata"]["resourceVersion"] == out["metadata"]["resourceVersion"]


def test_a_pod_that_is_bound_enters_the_field_selector_of_its_node(served):
    pod = {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Pending"},
    }
    made = served.do(served.store.create, "pods", pod)
    path = "/api/v1/pods?watch=1&timeoutSeconds=10&fieldSelector=spec.nodeName%3Dn1"
    with served.opened("GET", path) as response:
        bound = {**made, "spec": {**made["spec"], "nodeName": "n1"}}
        served.do(served.store.update, "pods", bound, subresource="binding")
        (event,) = read(response, 1)
    assert (event["type"], event["object"]["spec"]["nodeName"]) == ("ADDED", "n1")
    assert event["object"]["metadata"]["generation"] == 1


def test_other_namespaces_are_not_seen(served):
    other = config_map("a")
    other["metadata"]["namespace"] = "kube-system"
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10") as response:
        served.do(served.store.create, "configmaps", other)
        served.do(served.store.create, "configmaps", config_map("b"))
        assert summary(read(response, 1)) == [("ADDED", "b")]


def test_bookmarks_come_with_the_end_and_carry_the_latest_resource_version(served):
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true"
    events = served.ask("GET", path).lines
    assert events[-1]["type"] == "BOOKMARK"
    assert events[-1]["object"] == {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"resourceVersion": str(served.store.resource_version)},
    }


def test_no_bookmarks_come_unasked(served):
    assert served.ask("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1").lines == []


def test_initial_events_end_with_a_marked_bookmark(served):
    served.do(served.store.create, "configmaps", config_map("a"))
    path = (
        f"{CONFIG_MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        "&allowWatchBookmarks=true&timeoutSeconds=10"
    )
    with served.opened("GET", path) as response:
        added, mark = read(response, 2)
        served.do(served.store.create, "configmaps", config_map("b"))
        (later,) = read(response, 1)
    assert summary([added, later]) == [("ADDED", "a"), ("ADDED", "b")]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_initial_events_need_a_resource_version_match(served):
    answer = served.ask("GET", f"{CONFIG_MAPS}?watch=1&sendInitialEvents=true")
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")


def test_a_watch_of_rows_defines_the_columns_once(served):
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    served.do(served.store.create, "configmaps", config_map("a", x="1"))
    served.do(served.store.create, "configmaps", config_map("b"))
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=10"
    with served.opened("GET", path, headers=table) as response:
        first, second = read(response, 2)
    assert [c["name"] for c in first["object"]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second["object"]["columnDefinitions"] is None
    assert first["object"]["rows"][0]["cells"][:2] == ["a", 1]


def test_watches_whose_clients_went_away_are_forgotten(served):
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=60") as response:
        assert response.status == 200
        assert served.do(lambda: len(served.store._subscriptions["configmaps"])) == 1
    for _ in range(200):
        if served.do(lambda: not served.store._subscriptions["configmaps"]):
            return
    raise AssertionError("the watch is still there")


def test_a_server_that_stops_ends_its_watches(served):
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=60") as response:
        served.run(served.api.stop())
        with contextlib.suppress(http.client.IncompleteRead, ConnectionResetError):
            assert response.read() == b""
