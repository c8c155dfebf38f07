"""Lists, their pages and selectors, from a client's side."""

from __future__ import annotations

import gzip

import pytest

LISTED = "/api/v1/namespaces/default/configmaps"


def fill(served, count, **labels):
    def create():
        for number in range(count):
            metadata = {"name": f"c{number:03}", "namespace": "default", "labels": labels}
            served.store.create("configmaps", {"metadata": metadata})

    served.do(create)


def names(answer):
    return [item["metadata"]["name"] for item in answer.json["items"]]


def test_pages_are_those_of_the_first_one_while_others_write(served):
    fill(served, 10)
    first = served.ask("GET", f"{LISTED}?limit=4")
    served.do(served.store.delete, "configmaps", "default", "c005")
    metadata = {"name": "c0045", "namespace": "default"}
    served.do(served.store.create, "configmaps", {"metadata": metadata})
    served.do(
        served.store.update,
        "configmaps",
        {"metadata": {"name": "c006", "namespace": "default"}, "data": {"new": "1"}},
    )
    second = served.ask("GET", f"{LISTED}?limit=4&continue={first.json['metadata']['continue']}")
    third = served.ask("GET", f"{LISTED}?limit=4&continue={second.json['metadata']['continue']}")
    assert names(first) + names(second) + names(third) == [f"c{n:03}" for n in range(10)]
    assert "data" not in second.json["items"][2]
    assert [a.json["metadata"].get("remainingItemCount") for a in (first, second, third)] == [
        6,
        2,
        None,
    ]
    versions = {a.json["metadata"]["resourceVersion"] for a in (first, second, third)}
    assert len(versions) == 1
    assert "continue" not in third.json["metadata"]


def test_a_page_whose_past_is_forgotten_is_expired(served):
    fill(served, 3)
    token = served.ask("GET", f"{LISTED}?limit=1").json["metadata"]["continue"]
    served.do(served.store.delete, "configmaps", "default", "c002")
    served.do(served.store.forget_history)
    answer = served.ask("GET", f"{LISTED}?limit=1&continue={token}")
    assert (answer.status, answer.json["reason"]) == (410, "Expired")


def test_pages_go_across_namespaces(served):
    fill(served, 2)
    metadata = {"name": "a", "namespace": "kube-system"}
    served.do(served.store.create, "configmaps", {"metadata": metadata})
    seen, token = [], ""
    while True:
        page = served.ask("GET", f"/api/v1/configmaps?limit=1&continue={token}")
        seen += names(page)
        token = page.json["metadata"].get("continue", "")
        if not token:
            break
    assert seen == ["c000", "c001", "a"]


def test_a_token_that_is_none_is_a_bad_request(served):
    assert served.ask("GET", f"{LISTED}?limit=1&continue=nonsense").status == 400


def test_a_selected_list_does_not_count_what_remains(served):
    fill(served, 5, app="x")
    metadata = served.ask("GET", f"{LISTED}?limit=2&labelSelector=app%3Dx").json["metadata"]
    assert "continue" in metadata
    assert "remainingItemCount" not in metadata


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=x", ["a"]),
        ("app==x", ["a"]),
        ("app!=x", ["b", "c"]),
        ("app in (x,y)", ["a", "b"]),
        ("app notin (x, y)", ["c"]),
        ("app", ["a", "b"]),
        ("!app", ["c"]),
        ("app in (x,y),tier=web", ["b"]),
        ("example.com/role=", ["c"]),
        ("", ["a", "b", "c"]),
    ],
)
def test_label_selectors(served, selector, found):
    labels = {
        "a": {"app": "x"},
        "b": {"app": "y", "tier": "web"},
        "c": {"example.com/role": ""},
    }
    for name, own in labels.items():
        metadata = {"name": name, "namespace": "default", "labels": own}
        served.do(served.store.create, "configmaps", {"metadata": metadata})
    query = selector.replace(" ", "%20").replace("=", "%3D").replace("!", "%21")
    assert names(served.ask("GET", f"{LISTED}?labelSelector={query}")) == found


def test_a_label_selector_that_cannot_be_parsed_is_a_bad_request(served):
    answer = served.ask("GET", f"{LISTED}?labelSelector=a%20is%20b")
    assert answer.status == 400
    assert "unable to parse requirement" in answer.json["message"]


def test_pods_are_selected_by_node_and_phase(recorded):
    query = "spec.nodeName%3Dnode1,status.phase%21%3DFailed,status.phase%21%3DSucceeded"
    answer = recorded.ask("GET", f"/api/v1/pods?fieldSelector={query}")
    assert names(answer) == ["kube-proxy-xgzxq"]


def test_a_field_that_cannot_be_selected_by_is_a_bad_request(recorded):
    answer = recorded.ask("GET", "/api/v1/pods?fieldSelector=spec.color%3Dred")
    assert answer.status == 400
    assert "field label not supported: spec.color" in answer.json["message"]


def test_large_answers_are_compressed_for_those_who_ask(recorded):
    def grow():
        (node, *_) = recorded.store.list("nodes")
        for number in range(60):
            metadata = {"name": f"more-{number}", "uid": f"u{number}"}
            recorded.store.create("nodes", {**node, "metadata": metadata})

    recorded.do(grow)
    plain = recorded.ask("GET", "/api/v1/nodes")
    packed = recorded.ask("GET", "/api/v1/nodes", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.raw) == plain.raw


def test_a_list_of_a_past_resource_version_shows_that_past(served):
    fill(served, 2)
    number = served.store.resource_version
    served.do(served.store.delete, "configmaps", "default", "c000")
    query = f"resourceVersion={number}&resourceVersionMatch=Exact"
    assert names(served.ask("GET", f"{LISTED}?{query}")) == ["c000", "c001"]


def test_a_resource_version_still_to_come_is_refused(served):
    answer = served.ask("GET", f"{LISTED}?resourceVersion=99999")
    assert (answer.status, answer.json["reason"]) == (504, "Timeout")
