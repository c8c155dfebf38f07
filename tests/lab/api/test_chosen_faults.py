"""Faults that hit chosen requests: by count, by verb, by resource; hanging, lost, gone."""

from __future__ import annotations

import http.client
import json
import threading
import time

import pytest

from tests.lab.api.test_faults import CONFIG_MAPS, create, metadata

BROKEN = (ConnectionResetError, http.client.RemoteDisconnected, http.client.IncompleteRead)


def inject(served, fault):
    served.do(served.api.faults.inject, fault)


def exists(served, name):
    return served.do(served.store.get, "configmaps", "default", name) is not None


def eventually(holds):
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_lost_change_is_carried_out_and_not_a_byte_is_answered(served):
    inject(served, "api-lost:1")
    assert served.ask("GET", CONFIG_MAPS).status == 200
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        create(served, "a")
    assert exists(served, "a")
    assert create(served, "b").status == 201
    assert served.api.faults.active == set()
    [lost, done] = served.api.audit.attempts
    assert (lost.status, lost.fault) == (201, "api-lost")
    assert (done.status, done.fault) == (201, "")
    assert [m.name for m in served.api.audit.mutations] == ["a", "b"]


def test_every_third_change_is_lost_whatever_is_read_between(served):
    inject(served, "api-lost")
    for name in "ab":
        assert create(served, name).status == 201
        assert served.ask("GET", CONFIG_MAPS).status == 200
    with pytest.raises(BROKEN):
        create(served, "c")
    assert exists(served, "c")


def test_a_hanging_request_is_neither_carried_out_nor_answered_until_cleared(served):
    inject(served, "api-hang:1@create/configmaps")
    seen = []

    def hanging():
        try:
            create(served, "a")
        except BROKEN as error:
            seen.append(error)

    thread = threading.Thread(target=hanging)
    thread.start()
    eventually(lambda: served.api.audit.attempts)
    assert create(served, "b").status == 201
    assert (seen, exists(served, "a")) == ([], False)
    served.do(served.api.faults.clear, "api-hang")
    thread.join(10)
    assert len(seen) == 1
    assert not exists(served, "a")
    first = served.api.audit.attempts[0]
    assert (first.method, first.path, first.status) == ("POST", CONFIG_MAPS, 0)


def test_a_client_that_gives_up_on_a_hanging_request_leaves_nothing_behind(served):
    inject(served, "api-hang:1")
    connection = http.client.HTTPSConnection(
        "127.0.0.1", served.port, context=served.tls, timeout=0.2
    )
    connection.request("GET", "/version")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert served.ask("GET", "/version").status == 200


def watching(served, query="timeoutSeconds=20"):
    return served.opened("GET", f"{CONFIG_MAPS}?watch=1&{query}")


def test_a_watch_is_gone_after_three_events_and_the_next_one_too(served):
    inject(served, "api-410")
    for round_ in range(2):
        for number in range(3):
            served.do(served.store.create, "configmaps", metadata(f"c{round_}{number}"))
        with watching(served) as response:
            lines = served_lines(response)
        assert [line["type"] for line in lines[-1:]] == ["ERROR"]
        gone = lines[-1]["object"]
        assert (gone["code"], gone["reason"], gone["status"]) == (410, "Expired", "Failure")
    assert served.ask("GET", CONFIG_MAPS).status == 200


def served_lines(response):
    return [json.loads(line) for line in response.read().splitlines()]


def test_one_watch_is_gone_and_the_next_goes_on(served):
    inject(served, "api-410:1@watch/configmaps")
    for number in range(3):
        served.do(served.store.create, "configmaps", metadata(f"c{number}"))
    with watching(served) as response:
        assert served_lines(response)[-1]["object"]["code"] == 410
    assert served.api.faults.active == set()
    with watching(served, "timeoutSeconds=1") as response:
        assert [line["type"] for line in served_lines(response)] == ["ADDED"] * 3


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("api-500:2", [500, 500, 201, 201]),
        ("api-500:#2", [201, 500, 201, 201]),
        ("api-429:1/2", [201, 429, 201, 429]),
    ],
)
def test_a_fault_hits_as_many_requests_as_it_says(served, fault, statuses):
    inject(served, fault)
    assert [create(served, name).status for name in "abcd"] == statuses


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("api-429:1@delete/configmaps", [201, 201, 201]),
        ("api-429:2@change", [429, 429, 201]),
        ("api-500:#2@create", [201, 500, 201]),
    ],
)
def test_a_fault_hits_the_requests_that_it_names_and_no_other(served, fault, statuses):
    inject(served, fault)
    found = []
    for name in "abc":
        assert served.ask("GET", CONFIG_MAPS).status == 200
        found.append(create(served, name).status)
    assert found == statuses


def test_a_limited_reset_hits_its_request_and_not_the_watch_beside_it(served):
    with watching(served) as response:
        inject(served, "api-reset:1@create")
        with pytest.raises(BROKEN):
            create(served, "a")
        for name in "bcd":
            assert create(served, name).status == 201
        assert len([response.readline() for _ in range(4)]) == 4


def test_refused_changes_are_listed_as_attempts_in_order(served):
    inject(served, "api-429:1@change")
    create(served, "a")
    create(served, "a")
    create(served, "a")
    served.ask("PATCH", f"{CONFIG_MAPS}/a?dryRun=All", {"data": {}})
    rows = [
        (one["method"], one["path"], one["status"], one["dryRun"], one["fault"])
        for one in served.api.audit.as_json()["attempts"]
    ]
    assert rows == [
        ("POST", CONFIG_MAPS, 429, False, "api-429"),
        ("POST", CONFIG_MAPS, 201, False, ""),
        ("POST", CONFIG_MAPS, 409, False, ""),
        ("PATCH", f"{CONFIG_MAPS}/a", 415, True, ""),
    ]
    assert served.api.audit.attempts[0].user_agent == "python-requests/2.32"


@pytest.mark.parametrize("fault", ["api-500:0", "api-500:x", "api-500@", "api-500:1/"])
def test_a_fault_that_cannot_be_read_is_refused(served, fault):
    with pytest.raises(ValueError, match="no API fault: say NAME"):
        served.api.faults.inject(fault)
