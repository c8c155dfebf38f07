"""Commands in containers over WebSocket, by the clients that are really used."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from websocket import WebSocketConnectionClosedException

from nftwave.lab.api.auth import Rule, service_account

POD = "kube-proxy-xgzxq"
PATH = f"/api/v1/namespaces/kube-system/pods/{POD}/exec"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
}
SAY = "?command=say&command=hello&stdout=true"


@pytest.fixture
def core(recorded, tmp_path):
    path = recorded.write_kubeconfig(tmp_path)
    made = config.new_client_from_config(str(path), context="lab-test")
    yield client.CoreV1Api(made)
    made.close()


def opened(core, *command, stdin=False):
    return stream(
        core.connect_get_namespaced_pod_exec,
        POD,
        "kube-system",
        command=list(command),
        stderr=True,
        stdin=stdin,
        stdout=True,
        _preload_content=False,
        _request_timeout=20,
    )


def ran(core, *command):
    """What came on standard output, standard error and the channel of errors."""
    channels = opened(core, *command)
    channels.run_forever(timeout=20)
    found = channels.read_stdout(), channels.read_stderr(), json.loads(channels.read_channel(3))
    channels.close()
    return found


def test_a_command_gives_its_output_and_success(core):
    out, errors, status = ran(core, "say", "hello", "there")
    assert (out, errors) == ("hello there", "")
    assert status == {"metadata": {}, "status": "Success"}


def test_the_exit_status_comes_as_a_cause(core):
    out, errors, status = ran(core, "complain", "no good")
    assert (out, errors) == ("", "no good")
    assert status["reason"] == "NonZeroExitCode"
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


def test_output_larger_than_a_frame_comes_whole(core):
    assert ran(core, "fill", "100000")[0] == "x" * 100_000


def test_standard_input_is_read_as_it_comes(core):
    channels = opened(core, "repeat", stdin=True)
    channels.write_stdin("one\n")
    assert channels.readline_stdout(timeout=10) == "one"
    channels.write_stdin("two\n")
    assert channels.readline_stdout(timeout=10) == "two"
    channels.close()


def test_a_program_that_is_not_in_the_image_is_an_internal_error(core):
    _, _, status = ran(core, "sh")
    assert (status["status"], status["reason"], status["code"]) == ("Failure", "InternalError", 500)
    why = 'error executing command in container: exec: "sh": executable file not found in $PATH'
    assert status["message"] == f"Internal error occurred: {why}"


def test_a_pod_that_is_not_there_is_refused_before_the_upgrade(core):
    with pytest.raises(ApiException, match="404 Not Found"):
        stream(
            core.connect_get_namespaced_pod_exec,
            "nobody",
            "kube-system",
            command=["say"],
            stdout=True,
        )


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("?stdout=true", "at least one command"),
        ("?command=say", "at least 1 of stdin, stdout, stderr"),
        (f"{SAY}&container=other", f"container other is not valid for pod {POD}"),
    ],
)
def test_what_cannot_be_run_is_a_bad_request(recorded, query, says):
    answer = recorded.ask("GET", PATH + query, headers=UPGRADE)
    assert answer.status == 400
    assert says in answer.json["message"]


def test_a_request_that_is_no_web_socket_is_a_bad_request(recorded):
    for method in ("GET", "POST"):
        answer = recorded.ask(method, PATH + SAY)
        assert (answer.status, answer.json["message"]) == (400, "Upgrade request required")


def may(recorded, *verbs):
    """A token of somebody who may do these verbs with pods/exec, and nothing else."""
    rule = Rule(frozenset(verbs), frozenset({"pods/exec"}))
    user = service_account("default", "operator", (rule,))
    recorded.api.credentials = replace(recorded.credentials, tokens={"operator": user})
    return "operator"


def status_of(recorded, token):
    with recorded.opened("GET", PATH + SAY, token=token, headers=UPGRADE) as answer:
        return answer.status, b"" if answer.status == 101 else answer.read()


def test_a_web_socket_needs_both_get_and_create(recorded):
    assert status_of(recorded, may(recorded, "get", "create"))[0] == 101
    code, body = status_of(recorded, may(recorded, "create"))
    assert code == 403
    assert 'cannot get resource "pods/exec"' in json.loads(body)["message"]
    code, body = status_of(recorded, may(recorded, "get"))
    assert code == 403
    assert json.loads(body)["message"] == f'pods "{POD}" is forbidden: '


def test_before_kubernetes_1_35_get_was_enough(recorded):
    recorded.do(recorded.api.claim_version, "v1.34.3")
    assert status_of(recorded, may(recorded, "get"))[0] == 101
    assert status_of(recorded, may(recorded, "create"))[0] == 403


def test_an_access_review_knows_the_subresource(recorded):
    token = may(recorded, "create")
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, allowed in (("create", True), ("get", False)):
        attributes = {"verb": verb, "resource": "pods", "subresource": "exec", "namespace": "a"}
        answer = recorded.ask(
            "POST", path, {"spec": {"resourceAttributes": attributes}}, token=token
        )
        assert answer.json["status"]["allowed"] is allowed


def test_a_reset_connection_is_noticed_by_the_client(core, recorded):
    recorded.do(recorded.api.faults.inject, "api-reset")
    assert ran(core, "say", "one")[0] == "one"
    assert ran(core, "say", "two")[0] == "two"
    with pytest.raises(WebSocketConnectionClosedException):
        opened(core, "say", "three").run_forever(timeout=20)
