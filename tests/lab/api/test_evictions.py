"""Evictions, as a real API server answers them."""

from __future__ import annotations

import pytest

from nftwave.lab.manifests.workloads import disruption_budget

PODS = "/api/v1/namespaces/default/pods"
APP = {"app": "web"}
BUDGETS = "poddisruptionbudgets.policy"


def eviction(name, **options):
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": "default"},
        **({"deleteOptions": options} if options else {}),
    }


def evict(served, name, query="", **options):
    return served.ask("POST", f"{PODS}/{name}/eviction{query}", eviction(name, **options))


def pod_there(served, name, *, ready=True, owner="ReplicaSet"):
    """A pod that runs on a node."""
    reference = {
        "apiVersion": "apps/v1",
        "kind": owner,
        "name": "o",
        "uid": "o",
        "controller": True,
    }
    pod = {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": APP,
            "ownerReferences": [reference],
        },
        "spec": {"nodeName": "node1", "containers": [{"name": "web", "image": "web"}]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": str(ready)}],
        },
    }
    return served.do(served.store.create, "pods", pod)


def budget_there(served, name="web", *, allowed, healthy=3, desired=2, observed=1):
    budget = disruption_budget("default", name, APP, 1)
    served.do(served.store.create, BUDGETS, budget)
    status = {
        "observedGeneration": observed,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": 3,
    }
    budget = {**served.do(served.store.get, BUDGETS, "default", name), "status": status}
    served.do(served.store.update, BUDGETS, budget, subresource="status")


def pod(served, name="a"):
    return served.do(served.store.get, "pods", "default", name)


def is_ending(served, name="a"):
    return "deletionTimestamp" in pod(served, name)["metadata"]


def left(served, name="web"):
    return served.do(served.store.get, BUDGETS, "default", name)["status"]["disruptionsAllowed"]


@pytest.mark.parametrize("owner", ["ReplicaSet", "DaemonSet"])
def test_a_pod_without_a_budget_begins_to_end(served, owner):
    pod_there(served, "a", owner=owner)
    answer = evict(served, "a")
    assert answer.status == 201
    assert answer.json == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }
    assert is_ending(served)
    [target] = [
        one for one in pod(served)["status"]["conditions"] if one["type"] == "DisruptionTarget"
    ]
    assert (target["status"], target["reason"]) == ("True", "EvictionByEvictionAPI")


def test_the_grace_of_the_options_counts(served):
    pod_there(served, "a")
    evict(served, "a", gracePeriodSeconds=7)
    assert pod(served)["metadata"]["deletionGracePeriodSeconds"] == 7


def test_each_eviction_is_charged_to_the_budget_until_none_is_left(served):
    for name in "ab":
        pod_there(served, name)
    budget_there(served, allowed=1)
    assert evict(served, "a").status == 201
    assert left(served) == 0
    answer = evict(served, "b")
    assert answer.status == 429
    assert "retry-after" not in answer.headers
    assert answer.json["reason"] == "TooManyRequests"
    assert (
        answer.json["message"]
        == "Cannot evict pod as it would violate the pod's disruption budget."
    )
    assert answer.json["details"]["causes"] == [
        {
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 2 healthy pods and has 3 currently",
        }
    ]
    assert not is_ending(served, "b")


def test_a_budget_that_nobody_has_looked_at_yet_says_when_to_come_again(served):
    pod_there(served, "a")
    budget_there(served, allowed=1, observed=0)
    answer = evict(served, "a")
    assert (answer.status, answer.headers["retry-after"]) == (429, "10")
    assert answer.json["details"]["retryAfterSeconds"] == 10


def test_several_budgets_of_one_pod_are_an_error_of_the_server(served):
    pod_there(served, "a")
    budget_there(served, allowed=1)
    budget_there(served, "other", allowed=1)
    answer = evict(served, "a")
    assert answer.status == 500
    assert "more than one PodDisruptionBudget" in answer.json["message"]


@pytest.mark.parametrize(("healthy", "status"), [(2, 201), (1, 429)])
def test_an_unready_pod_may_go_while_enough_others_are_healthy(served, healthy, status):
    pod_there(served, "a", ready=False)
    budget_there(served, allowed=0, healthy=healthy)
    assert evict(served, "a").status == status
    assert left(served) == 0


def test_a_stale_uid_conflicts_and_charges_nothing(served):
    uid = pod_there(served, "a")["metadata"]["uid"]
    budget_there(served, allowed=1)
    answer = evict(served, "a", preconditions={"uid": "another"})
    assert (answer.status, answer.json["reason"]) == (409, "Conflict")
    assert (is_ending(served), left(served)) == (False, 1)
    assert evict(served, "a", preconditions={"uid": uid}).status == 201


@pytest.mark.parametrize(("query", "options"), [("?dryRun=All", {}), ("", {"dryRun": ["All"]})])
def test_a_dry_run_says_what_would_be_and_does_nothing(served, query, options):
    pod_there(served, "a")
    budget_there(served, allowed=1)
    assert evict(served, "a", query, **options).status == 201
    assert (is_ending(served), left(served)) == (False, 1)
    assert served.api.audit.mutations[-1].dry_run


def test_what_is_no_eviction_of_that_pod_is_refused(served):
    pod_there(served, "a")
    assert evict(served, "missing").status == 404
    answer = served.ask("POST", f"{PODS}/a/eviction", eviction("b"))
    assert (answer.status, answer.json["message"]) == (
        400,
        "name in URL does not match name in Eviction object",
    )
    assert served.ask("GET", f"{PODS}/a/eviction").status == 405


def test_discovery_says_that_pods_can_be_evicted(served):
    rows = served.ask("GET", "/api/v1").json["resources"]
    [row] = [row for row in rows if row["name"] == "pods/eviction"]
    assert (row["group"], row["version"], row["kind"]) == ("policy", "v1", "Eviction")
    assert served.ask("GET", "/apis/policy").json["preferredVersion"]["version"] == "v1"
