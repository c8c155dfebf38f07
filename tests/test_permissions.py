"""What the program may ask for, beside what deployments/rbac.yaml grants."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from nftwave.errors import Blocked
from nftwave.findings import judge, refuse_blockers
from nftwave.kube.errors import ApiUnavailable
from nftwave.permissions import (
    DRAIN_PERMISSIONS,
    EXEC_PERMISSIONS,
    PERMISSIONS,
    Permission,
    missing,
)
from tests.facts import cluster_facts, recorded

DEPLOYMENTS = Path(__file__).parents[1] / "deployments"
FILES = {
    "rbac.yaml": PERMISSIONS,
    "rbac-exec.yaml": EXEC_PERMISSIONS,
    "rbac-drain.yaml": DRAIN_PERMISSIONS,
}


def granted(file):
    """Every single permission in the Roles of a file."""
    for document in YAML(typ="safe").load_all((DEPLOYMENTS / file).read_text()):
        for rule in document.get("rules", ()):
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    for name in rule.get("resourceNames", [""]):
                        for verb in rule["verbs"]:
                            namespace = document["metadata"].get("namespace", "")
                            yield Permission(verb, resource, namespace, name, group)


@pytest.mark.parametrize("file", FILES)
def test_the_roles_grant_what_is_asked_for_and_nothing_more(file):
    assert sorted(granted(file), key=str) == sorted(FILES[file], key=str)
    assert len(set(FILES[file])) == len(FILES[file])


@pytest.mark.parametrize("file", FILES)
def test_every_role_is_bound_to_the_service_account(file):
    documents = list(YAML(typ="safe").load_all((DEPLOYMENTS / file).read_text()))
    roles = {(d["kind"], d["metadata"].get("namespace")) for d in documents if "rules" in d}
    bound = {
        (d["roleRef"]["kind"], d["metadata"].get("namespace"))
        for d in documents
        if "roleRef" in d and d["subjects"][0]["name"] == "nftwave"
    }
    assert roles == bound


class Server:
    """Answers reviews as kube-apiserver 1.36.2 did."""

    def __init__(self, *denied):
        self.denied = denied
        self.asked = []
        self.failures = 0

    def create(self, resource, body):
        self.asked.append((resource.path(), body["spec"]["resourceAttributes"]))
        if self.failures:
            self.failures -= 1
            raise ApiUnavailable("500", status=500, retry_after=0.001)
        attributes = body["spec"]["resourceAttributes"]
        case = "self-subject-access-review"
        if (attributes["verb"], attributes["resource"]) in self.denied:
            case += "-denied"
        return recorded(case)


def test_a_review_asks_as_the_recorded_one_did():
    server = Server()
    assert missing(server) == ()
    wanted = recorded("self-subject-access-review")["spec"]["resourceAttributes"]
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (path, wanted) in server.asked
    assert len(server.asked) == len(PERMISSIONS)
    log = {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "kube-system"}
    assert (path, log) in server.asked


@pytest.mark.parametrize(
    ("how", "beside"),
    [
        ({}, ()),
        ({"access": "exec"}, EXEC_PERMISSIONS),
        ({"drains": True}, DRAIN_PERMISSIONS),
        ({"access": "exec", "drains": True}, EXEC_PERMISSIONS + DRAIN_PERMISSIONS),
    ],
)
def test_what_a_cluster_does_not_need_is_not_asked_for(how, beside):
    server = Server()
    assert missing(server, **how) == ()
    assert len(server.asked) == len(PERMISSIONS) + len(beside)
    kinds = {a.get("subresource", "") for _, a in server.asked}
    assert ("eviction" in kinds) is ("drains" in how)


def test_all_that_is_missing_is_told_at_once_in_one_finding():
    found = judge(
        cluster_facts(missing=missing(Server(("patch", "daemonsets"), ("list", "nodes"))))
    )
    assert [f.code for f in found] == ["permission-missing"]
    told = "may not: list nodes; patch daemonsets.apps/kube-proxy in kube-system"
    assert found[0].evidence == told
    with pytest.raises(Blocked, match=r"patch daemonsets\.apps") as error:
        refuse_blockers("c1", found)
    assert "rbac.yaml" in error.value.next_step


def test_a_review_that_fails_for_a_moment_is_asked_again():
    server = Server()
    server.failures = 3
    assert missing(server) == ()
    assert len(server.asked) == len(PERMISSIONS) + 3


@pytest.mark.parametrize(
    ("permission", "told"),
    [
        (Permission("list", "nodes"), "list nodes"),
        (
            Permission("get", "pods/log", "kube-system"),
            "get pods/log in kube-system",
        ),
        (
            Permission("get", "installations", name="default", group="operator.tigera.io"),
            "get installations.operator.tigera.io/default",
        ),
    ],
)
def test_a_permission_reads_as_people_say_it(permission, told):
    assert str(permission) == told
