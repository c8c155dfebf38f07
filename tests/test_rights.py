"""Credentials with the rights of deployments/rbac.yaml, with others, and with none."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from nftwave.drain import cordon, uncordon
from nftwave.findings import judge
from nftwave.fleet import Policy, explicit_cluster
from nftwave.holder import Holder
from nftwave.kube.connect import connect
from nftwave.kube.errors import ApiForbidden
from nftwave.kube.resources import PODS
from nftwave.lab.api.auth import Rule, service_account
from nftwave.lab.store.store import Store
from nftwave.lock import Lock
from nftwave.look import look
from nftwave.permissions import DRAIN_PERMISSIONS, PERMISSIONS, missing
from tests.lab.api.served import Served, seed_recorded


def granted(permission):
    """The right as the lab's server keeps it; it does not tell names apart."""
    resource, _, below = permission.resource.partition("/")
    key = ".".join(filter(None, (resource, permission.group)))
    name = f"{key}/{below}" if below else key
    return Rule(
        frozenset({permission.verb}),
        frozenset({name}),
        frozenset({permission.namespace or "*"}),
    )


class Limited(Served):
    """The recorded cluster; token `some` has the rights that are given."""

    def __init__(self, permissions):
        user = service_account("kube-system", "nftwave", [granted(one) for one in permissions])
        self.credentials = replace(Served.credentials, tokens={"some": user})
        store = Store()
        seed_recorded(store)
        kubernetes = {
            "metadata": {"name": "kubernetes", "namespace": "default", "resourceVersion": "5"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443, "protocol": "TCP"}]},
        }
        store.seed("services", kubernetes)
        super().__init__(store)

    def cluster(self, folder, token="some"):  # noqa: S107 (a token of this test)
        path = folder / "kubeconfig"
        authority = base64.b64encode(self.credentials.authority.cert_pem.encode()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": self.url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }
        path.write_text(json.dumps(config))
        return explicit_cluster(path, "c")


@pytest.fixture
def limited():
    running = []

    def start(permissions):
        running.append(Limited(permissions))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def test_the_rights_of_the_table_are_enough_to_look(limited, tmp_path):
    cluster = limited(PERMISSIONS).cluster(tmp_path)
    facts = look(cluster, connect(cluster))
    assert facts.missing == ()
    assert [str(one) for one in facts.around.services] == ["default/kubernetes"]
    assert {n.name for n in facts.nodes} == set(facts.probes)


def test_the_rights_of_the_table_are_enough_for_the_lock(limited, tmp_path):
    gateway = connect(limited(PERMISSIONS).cluster(tmp_path))
    for _ in range(2):  # made, then taken again
        with Lock(gateway, holder=Holder.here(), purpose="migrate") as lock:
            lock.check()


def test_the_rights_for_draining_are_enough_and_needed(limited, tmp_path):
    cluster = limited(PERMISSIONS + DRAIN_PERMISSIONS).cluster(tmp_path)
    gateway = connect(cluster)
    pod = gateway.list(PODS).items[0]
    meta, node = pod["metadata"], pod["spec"]["nodeName"]
    assert cordon(gateway, node)
    gateway.evict(meta["name"], meta["namespace"], uid=meta["uid"])
    assert uncordon(gateway, node)
    assert missing(gateway, drains=True) == ()

    without = connect(limited(PERMISSIONS).cluster(tmp_path))
    assert missing(without) == ()
    assert {str(one) for one in missing(without, drains=True)} == {
        "patch nodes",
        "list pods",
        "watch pods",
        "create pods/eviction",
    }
    with pytest.raises(ApiForbidden, match="cannot patch resource"):
        cordon(without, node)


@pytest.mark.parametrize(
    ("policy", "lacks"),
    [
        ({}, False),
        ({"drain": True}, True),
        ({"drain": {"selector": {"pool": "db"}}}, True),
        ({"drain": {"everywhere": False, "nodes": ["node1"]}}, False),
        ({"drain": True, "strategy": "rolling"}, False),
    ],
)
def test_rights_for_draining_are_asked_for_where_the_policy_drains(
    limited, tmp_path, policy, lacks
):
    cluster = limited(PERMISSIONS).cluster(tmp_path)
    draining = cluster.model_copy(update={"policy": Policy.model_validate(policy)})
    facts = look(draining, connect(cluster))
    assert facts.missing == (DRAIN_PERMISSIONS if lacks else ())


def test_without_rights_all_of_them_are_told_and_nothing_else_is_asked(limited, tmp_path):
    server = limited(())
    cluster = server.cluster(tmp_path)
    facts = look(cluster, connect(cluster))
    assert facts.missing == PERMISSIONS
    assert [f.code for f in judge(facts)] == ["permission-missing"]
    asked = {r["resource"] for r in server.do(server.api.audit.as_json)["requests"]}
    assert asked == {"/version", "selfsubjectaccessreviews.authorization.k8s.io"}


@pytest.mark.parametrize("lacking", PERMISSIONS, ids=str)
def test_each_right_that_lacks_is_seen(limited, tmp_path, lacking):
    rights = [one for one in PERMISSIONS if granted(one) != granted(lacking)]
    gateway = connect(limited(rights).cluster(tmp_path))
    # The lab's server does not tell names apart, and a right for all namespaces is one for each.
    assert {(one.verb, one.resource) for one in missing(gateway)} <= {
        (lacking.verb, lacking.resource)
    }
    covered = any(
        granted(one).allows(lacking.verb, next(iter(granted(lacking).resources)), lacking.namespace)
        for one in rights
    )
    assert bool(missing(gateway)) is not covered


def test_a_server_that_refuses_even_the_question_is_told_as_it_says(limited, tmp_path):
    server = limited(())
    cluster = server.cluster(tmp_path, token=server.credentials.recorder_token)
    assert look(cluster, connect(cluster)).missing == PERMISSIONS
    anonymous = server.cluster(tmp_path, token="")
    with pytest.raises(ApiForbidden, match="selfsubjectaccessreviews"):
        look(anonymous, connect(anonymous))
