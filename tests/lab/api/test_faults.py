"""Faults of the API server: every third request, and what was carried out all the same."""

from __future__ import annotations

import http.client
import json

import pytest

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def create(served, name):
    return served.ask("POST", CONFIG_MAPS, {"metadata": {"name": name}})


def test_every_third_request_is_asked_to_come_again(served):
    served.do(served.api.faults.inject, "api-429")
    answers = [create(served, f"c{number}") for number in range(6)]
    assert [a.status for a in answers] == [201, 201, 429, 201, 201, 429]
    assert answers[2].headers["retry-after"] == "1"
    assert answers[2].raw == b"Too many requests, please try again later.\n"
    assert served.do(served.store.get, "configmaps", "default", "c2") is None


def test_every_third_request_is_an_internal_error(served):
    served.do(served.api.faults.inject, "api-500")
    answers = [create(served, f"c{number}") for number in range(3)]
    assert [a.status for a in answers] == [201, 201, 500]
    assert answers[2].json["reason"] == "InternalError"
    assert served.do(served.store.get, "configmaps", "default", "c2") is None


def test_every_third_request_is_carried_out_and_its_answer_cut(served):
    served.do(served.api.faults.inject, "api-reset")
    assert [create(served, name).status for name in "ab"] == [201, 201]
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        create(served, "c")
    assert served.do(served.store.get, "configmaps", "default", "c") is not None
    assert [m.name for m in served.api.audit.mutations] == ["a", "b", "c"]


def test_an_open_watch_is_reset_after_three_events(served):
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=20") as response:
        create(served, "a")
        assert json.loads(response.readline())["type"] == "ADDED"
        served.do(served.api.faults.inject, "api-reset")
        for name in "bcd":
            served.do(served.store.create, "configmaps", metadata(name))
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()


def metadata(name):
    return {"metadata": {"name": name, "namespace": "default"}}


def test_an_open_watch_does_not_notice_the_other_faults(served):
    with served.opened("GET", f"{CONFIG_MAPS}?watch=1&timeoutSeconds=20") as response:
        served.do(served.api.faults.inject, "api-429")
        served.do(served.api.faults.inject, "api-500")
        for number in range(6):
            served.do(served.store.create, "configmaps", metadata(f"c{number}"))
        assert [json.loads(response.readline())["type"] for _ in range(6)] == ["ADDED"] * 6


def test_cleared_faults_are_over(served):
    served.do(served.api.faults.inject, "api-500")
    served.do(served.api.faults.clear)
    assert [create(served, f"c{number}").status for number in range(6)] == [201] * 6


def test_a_fault_that_is_none_is_refused(served):
    with pytest.raises(ValueError, match="no such API fault: api-418"):
        served.api.faults.inject("api-418")
