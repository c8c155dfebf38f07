"""Every recorded request, asked of the lab: it has to answer as the real server did."""

from __future__ import annotations

import json
import re
import threading

import pytest

from nftwave.lab.machinery.customschema import CustomSchema
from nftwave.lab.machinery.resources import Resource
from nftwave.lab.store.store import Store
from tests.lab.api.served import RECORDINGS, Served, recorded_body, recording, seed_recorded

INSTALLATIONS = Resource(
    "operator.tigera.io",
    "v1",
    "installations",
    "Installation",
    namespaced=False,
    generation=True,
    custom=True,
    unconditional=False,
    subresources=("status",),
    rule=CustomSchema(
        defaults={
            "spec.calicoLibHostPath": "/var/lib/calico",
            "spec.calicoRunHostPath": "/var/run/calico",
        },
        enums={
            "spec.calicoNetwork.linuxDataplane": ("Iptables", "BPF", "VPP", "Nftables"),
        },
        has_validation_rules=True,
    ),
)

# What the case before it had left behind: (resource, number of the recording that shows it).
LEFT_BEHIND = {
    27: ("leases.coordination.k8s.io", 26),
    28: ("leases.coordination.k8s.io", 26),
    29: ("leases.coordination.k8s.io", 28),
    30: ("leases.coordination.k8s.io", 28),
    44: ("installations.operator.tigera.io", 43),
    45: ("installations.operator.tigera.io", 44),
}

# Recording 38 is meant to show a group that nobody installed, but its answer is the one of an
# installed CustomResourceDefinition without that object, the same as 42. The lab is asked as if
# it were installed; the group that nobody installed has a test of its own below.

SCRIPTED = {39: "changes while it watches: test_a_watch_shows_a_pod_being_replaced"}

VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "time",
    "managedFields",
    "continue",
}

NUMBERS = [int(path.name[:2]) for path in sorted(RECORDINGS.glob("*.json"))]


def test_every_recording_is_replayed():
    assert len(NUMBERS) == 45
    assert set(SCRIPTED) == {39}


@pytest.fixture
def replay(request):
    number = request.param
    store = Store()
    store.register(INSTALLATIONS)
    seed_recorded(store)
    if number in LEFT_BEHIND:
        resource, shown_by = LEFT_BEHIND[number]
        store.seed(resource, recorded_body(shown_by))
    server = Served(store)
    for pod in recorded_body(9)["items"]:
        server.nodes.logs[pod["metadata"]["name"], False] = recorded_body(11)
    health = json.dumps(recorded_body(37)).encode()
    server.nodes.ports["node1", 10256] = (200, "application/json", health)
    yield number, server
    server.stop()


@pytest.mark.parametrize("replay", [n for n in NUMBERS if n not in SCRIPTED], indirect=True)
def test_the_lab_answers_as_the_real_server_did(replay):
    number, server = replay
    case = recording(number)
    asked, expected = case["request"], case["response"]
    token = {
        "cluster-admin": server.credentials.admin_token,
        "invalid bearer token": "invalid",
        "service account default:recorder (no rights)": server.credentials.recorder_token,
    }[asked["auth"]]
    headers = {"Content-Type": asked["contentType"]} if "contentType" in asked else {}
    # The recorded watches lasted 2 seconds; how long is not what they show.
    path = asked["path"].replace("timeoutSeconds=2", "timeoutSeconds=1")
    answer = server.ask(asked["method"], path, asked.get("body"), token=token, headers=headers)

    assert answer.status == expected["status"]
    assert answer.headers["content-type"] == expected["contentType"]
    if "events" in expected:
        same_shape(answer.lines, expected["events"])
    elif expected["contentType"] == "application/json":
        same_shape(answer.json, expected["body"])
    else:
        assert answer.raw.decode() == expected["body"]


def same_shape(found, expected, path="", *, values=True):
    """The same keys in the same order, types and values, where values are not of that one day."""
    assert type(found) is type(expected), path
    if isinstance(expected, dict):
        if path.endswith(("details", "fieldsV1")):
            assert set(found) == set(expected), path
        else:
            assert list(found) == list(expected), path
        for key, value in expected.items():
            same_shape(found[key], value, f"{path}.{key}", values=values and key not in VOLATILE)
    elif isinstance(expected, list):
        assert len(found) == len(expected), path
        for index, value in enumerate(expected):
            if path.endswith("managedFields"):
                same_owner(found[index], value, f"{path}[{index}]")
            else:
                same_shape(found[index], value, f"{path}[{index}]", values=values)
    elif values and path.endswith("message"):
        assert re.sub(r"\(\d+\)", "()", str(found)) == re.sub(r"\(\d+\)", "()", expected), path
    elif values:
        assert found == expected, path


def same_owner(found, expected, path):
    for key in ("manager", "operation", "apiVersion", "fieldsType", "subresource"):
        assert found.get(key) == expected.get(key), f"{path}.{key}"
    assert set(found) == set(expected), path
    assert set(found["fieldsV1"]) == set(expected["fieldsV1"]), path


def test_a_watch_shows_a_pod_being_replaced():
    expected = [e for e in recording(39)["response"]["events"] if e["type"] != "BOOKMARK"]
    objects = [event["object"] for event in expected]
    store = Store()
    seed_recorded(store)
    # The recorded watch began when this pod was ending already.
    annotated = objects[0]
    ending = objects[1]
    store.seed("pods", {**ending, "metadata": {**ending["metadata"], "resourceVersion": "2124"}})
    server = Served(store)
    try:
        path = recording(39)["request"]["path"].replace("timeoutSeconds=4", "timeoutSeconds=1")
        path = path.replace("resourceVersion=2124", f"resourceVersion={store.resource_version}")
        with server.opened("GET", path) as response:
            replaces = threading.Thread(target=replace_pod, args=(server, annotated, objects))
            replaces.start()
            events = [json.loads(line) for line in response]
            replaces.join()
    finally:
        server.stop()
    told = [event for event in events if event["type"] != "BOOKMARK"]
    assert [event["type"] for event in told] == [event["type"] for event in expected]
    for event, wanted in zip(told, expected, strict=True):
        same_shape(event, wanted)
    marks = [event for event in events if event["type"] == "BOOKMARK"]
    same_shape(marks[-1], recording(39)["response"]["events"][2])


def replace_pod(server, annotated, objects):
    place = f"/api/v1/namespaces/kube-system/pods/{annotated['metadata']['name']}"
    server.patch(place, {"metadata": {"annotations": {"recorder": "1"}}})
    server.patch(place, {"metadata": {"annotations": None}})

    def status(obj):
        current = server.store.get("pods", "kube-system", obj["metadata"]["name"])
        server.store.update(
            "pods", {**current, "status": obj["status"]}, subresource="status", manager="kubelet"
        )

    server.do(status, objects[2])
    _, _, failed, created, scheduled, pending, *_ = objects
    first = {k: v for k, v in created["metadata"].items() if k != "managedFields"}
    server.do(
        server.store.create,
        "pods",
        {**created, "metadata": first},
        manager="kube-controller-manager",
    )

    def bind():
        current = server.store.get("pods", "kube-system", scheduled["metadata"]["name"])
        bound = {**current, "spec": scheduled["spec"], "status": scheduled["status"]}
        server.store.update("pods", bound, subresource="binding", manager="kube-scheduler")

    server.do(bind)
    server.do(status, pending)
    server.do(server.store.delete, "pods", "kube-system", failed["metadata"]["name"])


def test_a_group_that_nobody_installed_is_a_page_that_is_not_found(served):
    answer = served.ask("GET", "/apis/operator.tigera.io/v1/installations/default")
    assert (answer.status, answer.raw) == (404, b"404 page not found\n")
    assert answer.headers["content-type"].startswith("text/plain")
