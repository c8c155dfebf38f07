"""The real kubernetes client for Python against the lab's API server."""

from __future__ import annotations

import threading

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException


@pytest.fixture
def api_client(recorded, tmp_path):
    path = recorded.write_kubeconfig(tmp_path)
    made = config.new_client_from_config(str(path), context="lab-test")
    yield made
    made.close()


@pytest.fixture
def core(api_client):
    return client.CoreV1Api(api_client)


@pytest.fixture
def apps(api_client):
    return client.AppsV1Api(api_client)


def test_nodes_are_read_in_pages(core):
    page = core.list_node(limit=1)
    assert (page.items[0].metadata.name, page.metadata.remaining_item_count) == ("node1", 1)
    page = core.list_node(limit=1, _continue=page.metadata._continue)
    assert page.items[0].status.node_info.kernel_version == "6.1.0-50-amd64"
    assert page.metadata._continue is None


def test_a_config_map_is_replaced_under_its_resource_version(core):
    config_map = core.read_namespaced_config_map("kube-proxy", "kube-system")
    config_map.data["config.conf"] = config_map.data["config.conf"].replace("ipvs", "nftables")
    core.replace_namespaced_config_map("kube-proxy", "kube-system", config_map, dry_run="All")
    core.replace_namespaced_config_map("kube-proxy", "kube-system", config_map)
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_config_map("kube-proxy", "kube-system", config_map)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


def test_a_daemon_set_is_patched(apps):
    strategy = {"$retainKeys": ["type"], "type": "OnDelete"}
    patched = apps.patch_namespaced_daemon_set(
        "kube-proxy", "kube-system", {"spec": {"updateStrategy": strategy}}
    )
    assert patched.spec.update_strategy.type == "OnDelete"
    assert patched.spec.update_strategy.rolling_update is None


def test_a_pod_is_deleted_by_uid(core):
    pod = core.read_namespaced_pod("kube-proxy-xgzxq", "kube-system")
    wrong = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="other"))
    with pytest.raises(ApiException) as refused:
        core.delete_namespaced_pod(pod.metadata.name, "kube-system", body=wrong)
    assert refused.value.status == 409
    right = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=pod.metadata.uid))
    ending = core.delete_namespaced_pod(pod.metadata.name, "kube-system", body=right)
    assert ending.metadata.deletion_timestamp is not None


def test_a_watch_streams_changes(core, recorded):
    listed = core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-proxy")

    def change():
        recorded.do(recorded.store.delete, "pods", "kube-system", "kube-proxy-xgzxq")

    timer = threading.Timer(0.2, change)
    timer.start()
    stream = watch.Watch().stream(
        core.list_namespaced_pod,
        "kube-system",
        label_selector="k8s-app=kube-proxy",
        resource_version=listed.metadata.resource_version,
        timeout_seconds=10,
    )
    event = next(iter(stream))
    timer.join()
    assert (event["type"], event["object"].metadata.name) == ("DELETED", "kube-proxy-xgzxq")


def test_a_lease_is_taken_and_renewed(api_client):
    leases = client.CoordinationV1Api(api_client)
    metadata = client.V1ObjectMeta(name="lock", namespace="kube-system")
    spec = client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=30)
    lease = leases.create_namespaced_lease(
        "kube-system", client.V1Lease(metadata=metadata, spec=spec)
    )
    lease.spec.holder_identity = "b"
    renewed = leases.replace_namespaced_lease("lock", "kube-system", lease)
    assert renewed.spec.holder_identity == "b"
    with pytest.raises(ApiException) as refused:
        leases.replace_namespaced_lease("lock", "kube-system", lease)
    assert refused.value.status == 409


def test_a_log_is_read_as_text(core):
    text = core.read_namespaced_pod_log("kube-proxy-xgzxq", "kube-system", tail_lines=2)
    assert len(text.splitlines()) == 2


def test_custom_objects_that_nobody_installed_are_not_found(api_client):
    custom = client.CustomObjectsApi(api_client)
    with pytest.raises(ApiException) as refused:
        custom.get_cluster_custom_object("operator.tigera.io", "v1", "installations", "default")
    assert refused.value.status == 404


def test_the_access_review_says_yes(api_client):
    attributes = client.V1ResourceAttributes(verb="update", resource="configmaps", namespace="x")
    spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    review = client.AuthorizationV1Api(api_client).create_self_subject_access_review(
        client.V1SelfSubjectAccessReview(spec=spec)
    )
    assert review.status.allowed is True


def test_a_pod_is_evicted_within_its_budget(recorded, core, api_client):
    labels = {"k8s-app": "kube-proxy"}
    selector = client.V1LabelSelector(match_labels=labels)
    budget = client.V1PodDisruptionBudget(
        metadata=client.V1ObjectMeta(name="proxies"),
        spec=client.V1PodDisruptionBudgetSpec(min_available=1, selector=selector),
    )
    policy = client.PolicyV1Api(api_client)
    policy.create_namespaced_pod_disruption_budget("kube-system", budget)
    name = "kube-proxy-xgzxq"
    uid = core.read_namespaced_pod(name, "kube-system").metadata.uid
    eviction = client.V1Eviction(
        metadata=client.V1ObjectMeta(name=name, namespace="kube-system"),
        delete_options=client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid)),
    )
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod_eviction(name, "kube-system", eviction)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "10")
    assert "being processed" in refused.value.body

    stored = recorded.do(
        recorded.store.get, "poddisruptionbudgets.policy", "kube-system", "proxies"
    )
    status = {"observedGeneration": 1, "disruptionsAllowed": 1, "expectedPods": 2}
    counted = {**stored, "status": {**status, "currentHealthy": 2, "desiredHealthy": 1}}
    recorded.do(recorded.store.update, "poddisruptionbudgets.policy", counted, subresource="status")
    core.create_namespaced_pod_eviction(name, "kube-system", eviction)
    assert core.read_namespaced_pod(name, "kube-system").metadata.deletion_timestamp
    left = policy.read_namespaced_pod_disruption_budget("proxies", "kube-system").status
    assert (left.disruptions_allowed, list(left.disrupted_pods)) == (0, [name])
