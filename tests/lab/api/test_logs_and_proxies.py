"""Pod logs and node ports through the API server."""

from __future__ import annotations

import json
import threading

POD = "/api/v1/namespaces/kube-system/pods/kube-proxy-xgzxq"
NAME = "kube-proxy-xgzxq"
LOG = (
    "I1122 02:52:19.330566       1 a.go:1] one\n"
    "  more of one\n"
    "I1122 02:53:19.330566       1 a.go:1] two\n"
)


def test_the_log_of_the_container_before(recorded):
    recorded.nodes.logs[NAME, True] = "F1122 gone\n"
    assert recorded.ask("GET", f"{POD}/log?previous=true").raw == b"F1122 gone\n"


def test_a_container_that_is_none_is_a_bad_request(recorded):
    answer = recorded.ask("GET", f"{POD}/log?container=nft")
    assert answer.status == 400
    assert answer.json["message"] == f"container nft is not valid for pod {NAME}"


def test_a_container_that_never_ran_waits_to_start(recorded):
    del recorded.nodes.logs[NAME, False]
    answer = recorded.ask("GET", f"{POD}/log")
    assert answer.status == 400
    assert "is waiting to start: ContainerCreating" in answer.json["message"]


def test_a_tail_of_nothing_is_nothing(recorded):
    recorded.nodes.logs[NAME, False] = LOG
    assert recorded.ask("GET", f"{POD}/log?tailLines=0").raw == b""
    assert recorded.ask("GET", f"{POD}/log?tailLines=1").raw.endswith(b"two\n")


def test_lines_since_a_time_and_with_their_times(recorded):
    recorded.nodes.logs[NAME, False] = LOG
    (year,) = {
        line[:4]
        for line in recorded.ask("GET", f"{POD}/log?timestamps=1").raw.decode().split("\n")[:-1]
    }
    query = f"sinceTime={year}-11-22T02:53:00Z&timestamps=true"
    answer = recorded.ask("GET", f"{POD}/log?{query}").raw.decode()
    assert answer == f"{year}-11-22T02:53:19.330566000Z {LOG.splitlines()[2]}\n"


def test_a_followed_log_goes_on_until_the_pod_is_gone(recorded):
    recorded.nodes.logs[NAME, False] = "one\n"
    with recorded.opened("GET", f"{POD}/log?follow=true") as response:
        assert response.readline() == b"one\n"
        recorded.nodes.logs[NAME, False] = "one\ntwo\n"
        assert response.readline() == b"two\n"
        recorded.do(recorded.store.delete, "pods", "kube-system", NAME)
        assert response.readline() == b""


def test_a_refused_node_port_is_unavailable(recorded):
    answer = recorded.ask("GET", "/api/v1/nodes/node1:10249/proxy/proxyMode")
    assert answer.status == 503
    assert answer.json["message"] == (
        "error trying to reach service: dial tcp 192.168.77.11:10249: connect: connection refused"
    )


def test_a_node_port_answers_as_the_node_does(recorded):
    recorded.nodes.ports["node2", 10256] = (503, "application/json", b"{}")
    answer = recorded.ask("GET", "/api/v1/nodes/node2:10256/proxy/healthz")
    assert (answer.status, answer.raw) == (503, b"{}")


def test_the_proxy_of_a_node_that_is_none_is_not_found(recorded):
    assert recorded.ask("GET", "/api/v1/nodes/node9:10256/proxy/healthz").status == 404


def test_requests_are_answered_while_a_log_is_followed(recorded):
    with recorded.opened("GET", f"{POD}/log?follow=true") as response:
        response.readline()
        others = [threading.Thread(target=recorded.ask, args=("GET", POD)) for _ in range(5)]
        for other in others:
            other.start()
        for other in others:
            other.join(5)
        assert not any(other.is_alive() for other in others)
    assert json.loads(recorded.ask("GET", POD).raw)["kind"] == "Pod"
