"""Who is let in, and to what."""

from __future__ import annotations

import http.client
import json
import ssl

import pytest

NODES = "/api/v1/nodes"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def test_an_unknown_token_is_unauthorized(served):
    unknown = "unknown"
    assert served.ask("GET", NODES, token=unknown).status == 401


def test_nobody_may_read_versions_and_health_but_no_nodes(served):
    assert served.ask("GET", "/version", token="").status == 200
    assert served.ask("GET", "/readyz", token="").raw == b"ok"
    answer = served.ask("GET", NODES, token="")
    assert answer.status == 403
    assert 'User "system:anonymous" cannot list resource "nodes"' in answer.json["message"]
    assert served.ask("GET", "/apis", token="").status == 403


def test_a_reader_reads_and_changes_nothing(served):
    token = served.credentials.reader_token
    assert served.ask("GET", NODES, token=token).status == 200
    path = "/api/v1/namespaces/default/configmaps"
    answer = served.ask("POST", path, {"metadata": {"name": "a"}}, token=token)
    assert answer.status == 403
    assert served.ask("GET", f"{path}/a").status == 404


def test_a_subresource_is_named_in_a_refusal(recorded):
    path = "/api/v1/namespaces/kube-system/pods/kube-proxy-xgzxq/log"
    answer = recorded.ask("GET", path, token=recorded.credentials.recorder_token)
    assert 'cannot get resource "pods/log" in API group ""' in answer.json["message"]


def test_a_client_certificate_says_who_asks(served):
    client = served.credentials.authority.client("jane", ["kubeadm:cluster-admins"])
    answer = ask_with_certificate(served, client, "/api/v1/namespaces/default/configmaps")
    assert answer == 201
    assert served.api.audit.mutations[-1].user == "jane"
    stranger = served.credentials.authority.client("joe")
    assert ask_with_certificate(served, stranger, "/api/v1/namespaces/default/configmaps") == 403


def ask_with_certificate(served, client, path):
    context = ssl.create_default_context(cadata=served.credentials.authority.cert_pem)
    # Python's ssl reads keys from files only.
    folder = served.folder
    (folder / "cert.pem").write_text(client.cert_pem)
    (folder / "key.pem").write_text(client.key_pem)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context, timeout=10)
    connection.request("POST", path, json.dumps({"metadata": {"generateName": "a-"}}))
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture(autouse=True)
def _folder(served, tmp_path):
    served.folder = tmp_path


@pytest.mark.parametrize(
    ("attributes", "reader", "recorder"),
    [
        ({"verb": "list", "resource": "nodes"}, True, False),
        ({"verb": "update", "resource": "configmaps", "namespace": "kube-system"}, False, False),
        ({"verb": "get", "resource": "pods", "subresource": "log"}, True, False),
    ],
)
def test_access_reviews_agree_with_what_is_allowed(served, attributes, reader, recorder):
    body = {"spec": {"resourceAttributes": attributes}}
    tokens = served.credentials
    allowed = [
        served.ask("POST", REVIEWS, body, token=token).json["status"]["allowed"]
        for token in (tokens.admin_token, tokens.reader_token, tokens.recorder_token)
    ]
    assert allowed == [True, reader, recorder]


def test_access_reviews_are_no_mutations(served):
    served.ask("POST", REVIEWS, {"spec": {"resourceAttributes": {"verb": "get"}}})
    assert served.api.audit.mutations == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_tls_before_1_2_is_refused(served):
    context = ssl.create_default_context(cadata=served.credentials.authority.cert_pem)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    connection = http.client.HTTPSConnection("127.0.0.1", served.port, context=context, timeout=10)
    with pytest.raises(ssl.SSLError):
        connection.request("GET", "/version")
