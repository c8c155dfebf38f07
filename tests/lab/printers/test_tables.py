"""What `kubectl get` shows where a pod or node is not simply well."""

from __future__ import annotations

import pytest

from nftwave.lab.machinery.resources import RESOURCES
from nftwave.lab.printers import podcolumns
from nftwave.lab.printers.durations import human_duration
from nftwave.lab.printers.tables import table

BY_KEY = {resource.key: resource for resource in RESOURCES}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (303, "5m3s"),
        (700, "11m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600, "9h"),
        (3 * 86400, "3d"),
        (3 * 86400 + 3600, "3d1h"),
        (10 * 86400, "10d"),
        (730 * 86400, "2y"),
        (3650 * 86400, "10y"),
    ],
)
def test_ages_are_shown_in_at_most_two_units(seconds, shown):
    assert human_duration(seconds) == shown


def pod(status, **metadata):
    return {"metadata": metadata, "spec": {"containers": [{"name": "a"}]}, "status": status}


def container(state, **more):
    return {"phase": "Running", "containerStatuses": [{"name": "a", "state": state, **more}]}


@pytest.mark.parametrize(
    ("shown", "example"),
    [
        ("Running", pod(container({"running": {}}, ready=True))),
        ("Pending", pod({"phase": "Pending"})),
        ("CrashLoopBackOff", pod(container({"waiting": {"reason": "CrashLoopBackOff"}}))),
        ("ErrImagePull", pod(container({"waiting": {"reason": "ErrImagePull"}}))),
        ("Error", pod(container({"terminated": {"reason": "Error", "exitCode": 1}}))),
        ("ExitCode:3", pod(container({"terminated": {"exitCode": 3}}))),
        ("Terminating", pod(container({"running": {}}), deletionTimestamp="2026-11-22T02:53:27Z")),
        ("Evicted", pod({"phase": "Failed", "reason": "Evicted"})),
    ],
)
def test_a_pod_shows_its_nearest_cause(shown, example):
    assert podcolumns.phase_or_reason(example) == shown


def test_restarts_say_when_the_last_one_was():
    ended = {"terminated": {"finishedAt": "2000-01-01T00:00:00Z"}}
    example = pod(container({"running": {}}, restartCount=3, lastState=ended))
    assert podcolumns.restarts(example).startswith("3 (2")
    assert podcolumns.restarts(example).endswith("y ago)")


def test_a_row_may_carry_the_object_or_nothing():
    node = {"metadata": {"name": "n"}, "spec": {}, "status": {}}
    shown = {
        include: table(BY_KEY["nodes"], [node], include)["rows"][0]["object"]
        for include in ("Object", "None", None)
    }
    assert shown["Object"] is node
    assert shown["None"] is None
    assert shown[None]["kind"] == "PartialObjectMetadata"


def test_every_resource_has_rows_for_a_bare_object():
    bare = {
        "metadata": {"name": "n", "namespace": "x", "creationTimestamp": "2026-11-22T02:53:27Z"},
        "spec": {
            "containers": [],
            "selector": {},
            "template": {"spec": {"containers": []}},
        },
        "involvedObject": {},
        "addressType": "IPv4",
        "revision": 1,
    }
    for resource in RESOURCES:
        shown = table(resource, [bare], None)
        assert len(shown["rows"][0]["cells"]) == len(shown["columnDefinitions"])
