"""Create, update, patch, delete: what is kept, what is refused."""

from __future__ import annotations

import pytest

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
DAEMON_SET = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy"
POD = "/api/v1/namespaces/kube-system/pods/kube-proxy-xgzxq"


@pytest.fixture
def config_map(served):
    body = {"metadata": {"name": "a"}, "data": {"k": "v"}}
    return served.ask("POST", CONFIG_MAPS, body).json


def test_dry_runs_of_every_kind_leave_nothing(recorded):
    before = recorded.store.resource_version
    config_maps = "/api/v1/namespaces/kube-system/configmaps"
    live = recorded.ask("GET", f"{config_maps}/kube-proxy").json
    answers = [
        recorded.ask("POST", f"{config_maps}?dryRun=All", {"metadata": {"name": "new"}}),
        recorded.ask("PUT", f"{config_maps}/kube-proxy?dryRun=All", {**live, "data": {"x": "y"}}),
        recorded.patch(f"{config_maps}/kube-proxy?dryRun=All", {"data": {"x": "y"}}),
        recorded.ask("DELETE", f"{config_maps}/kube-proxy?dryRun=All"),
        recorded.ask("DELETE", POD, {"dryRun": ["All"]}),
    ]
    assert [answer.status for answer in answers] == [201, 200, 200, 200, 200]
    assert answers[1].json["data"] == {"x": "y"}
    assert recorded.store.resource_version == before
    assert recorded.ask("GET", f"{config_maps}/kube-proxy").json == live
    assert all(mutation.dry_run for mutation in recorded.api.audit.mutations)


def test_an_unknown_dry_run_is_refused(served):
    answer = served.ask("POST", f"{CONFIG_MAPS}?dryRun=Some", {"metadata": {"name": "a"}})
    assert answer.status == 422


def test_a_put_that_changes_nothing_is_no_new_version(served, config_map):
    answer = served.ask("PUT", f"{CONFIG_MAPS}/a", config_map)
    assert answer.json["metadata"]["resourceVersion"] == config_map["metadata"]["resourceVersion"]


def test_a_put_cannot_change_what_the_server_owns(served, config_map):
    changed = {**config_map, "data": {"k": "w"}}
    changed["metadata"] = {**config_map["metadata"], "creationTimestamp": "2000-01-01T00:00:00Z"}
    answer = served.ask("PUT", f"{CONFIG_MAPS}/a", changed).json
    assert answer["metadata"]["creationTimestamp"] == config_map["metadata"]["creationTimestamp"]
    assert answer["metadata"]["resourceVersion"] != config_map["metadata"]["resourceVersion"]


def test_a_put_of_another_object_of_the_same_name_is_a_conflict(served, config_map):
    other = {**config_map, "metadata": {**config_map["metadata"], "uid": "other"}}
    answer = served.ask("PUT", f"{CONFIG_MAPS}/a", other)
    assert answer.status == 409
    assert "Precondition failed: UID in precondition: other" in answer.json["message"]


def test_the_name_in_the_body_has_to_be_that_of_the_path(served, config_map):
    del config_map
    answer = served.ask("PUT", f"{CONFIG_MAPS}/a", {"metadata": {"name": "b"}})
    assert answer.status == 400
    assert "does not match the name on the URL" in answer.json["message"]


def test_names_are_generated(served):
    answer = served.ask("POST", CONFIG_MAPS, {"metadata": {"generateName": "x-"}})
    name = answer.json["metadata"]["name"]
    assert name.startswith("x-")
    assert len(name) == 7
    assert served.api.audit.mutations[-1].name == name


@pytest.mark.parametrize("name", ["", "Upper", "-a", "a_b"])
def test_bad_names_are_invalid(served, name):
    answer = served.ask("POST", CONFIG_MAPS, {"metadata": {"name": name}})
    assert (answer.status, answer.json["reason"]) == (422, "Invalid")


def test_a_namespace_that_is_not_there_takes_no_objects(served):
    path = "/api/v1/namespaces/nowhere/configmaps"
    answer = served.ask("POST", path, {"metadata": {"name": "a"}})
    assert (answer.status, answer.json["message"]) == (404, 'namespaces "nowhere" not found')


def test_a_config_map_of_more_than_a_mebibyte_is_invalid(served):
    body = {"metadata": {"name": "a"}, "data": {"k": "x" * (1024 * 1024 + 1)}}
    answer = served.ask("POST", CONFIG_MAPS, body)
    assert answer.status == 422
    assert "Too long: may not be more than 1048576 bytes" in answer.json["message"]


def test_a_body_of_more_than_three_mebibytes_is_too_large(served):
    body = {"metadata": {"name": "a"}, "data": {"k": "x" * (3 * 1024 * 1024)}}
    answer = served.ask("POST", CONFIG_MAPS, body)
    assert (answer.status, answer.json["reason"]) == (413, "RequestEntityTooLarge")


def test_a_body_that_is_no_json_is_a_bad_request(served):
    headers = {"Content-Type": "application/json"}
    assert served.ask("POST", CONFIG_MAPS, b"{", headers=headers).status == 400


def test_a_merge_patch_deletes_with_null(served, config_map):
    del config_map
    answer = served.patch(f"{CONFIG_MAPS}/a", {"data": {"k": None, "n": "1"}})
    assert answer.json["data"] == {"n": "1"}


def test_server_side_apply_is_an_unknown_format(served, config_map):
    del config_map
    headers = {"Content-Type": "application/apply-patch+yaml"}
    answer = served.ask("PATCH", f"{CONFIG_MAPS}/a", b"{}", headers=headers)
    assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


def test_generation_counts_changes_of_the_spec_only(recorded):
    annotated = recorded.patch(DAEMON_SET, {"metadata": {"annotations": {"x": "y"}}}).json
    changed = recorded.patch(DAEMON_SET, {"spec": {"revisionHistoryLimit": 3}}).json
    status = recorded.patch(f"{DAEMON_SET}/status", {"status": {"numberReady": 1}}).json
    generations = [obj["metadata"]["generation"] for obj in (annotated, changed, status)]
    assert generations == [7, 8, 8]
    assert status["status"]["numberReady"] == 1


def test_only_the_status_subresource_changes_the_status(recorded):
    answer = recorded.patch(DAEMON_SET, {"status": {"numberReady": 0}}).json
    assert answer["status"]["numberReady"] == 2
    answer = recorded.patch(f"{DAEMON_SET}/status", {"spec": {"revisionHistoryLimit": 1}}).json
    assert answer["spec"]["revisionHistoryLimit"] == 10


def test_back_from_on_delete_the_server_fills_in_the_rolling_update(recorded):
    strategy = {"$retainKeys": ["type"], "type": "OnDelete"}
    held = recorded.patch(DAEMON_SET, {"spec": {"updateStrategy": strategy}}, "strategic-merge")
    assert held.json["spec"]["updateStrategy"] == {"type": "OnDelete"}
    strategy = {"type": "RollingUpdate"}
    back = recorded.patch(DAEMON_SET, {"spec": {"updateStrategy": strategy}}, "strategic-merge")
    rolling = {"maxUnavailable": 1, "maxSurge": 0}
    assert back.json["spec"]["updateStrategy"] == {**strategy, "rollingUpdate": rolling}


def test_a_pod_on_a_node_ends_when_its_kubelet_says_so(recorded):
    ending = recorded.ask("DELETE", POD).json
    assert ending["metadata"]["deletionGracePeriodSeconds"] == 30
    assert recorded.ask("GET", POD).json["metadata"]["deletionTimestamp"]
    recorded.do(recorded.store.delete, "pods", "kube-system", "kube-proxy-xgzxq")
    assert recorded.ask("GET", POD).status == 404


def test_a_pod_deleted_with_no_grace_is_gone_at_once(recorded):
    assert recorded.ask("DELETE", f"{POD}?gracePeriodSeconds=0").status == 200
    assert recorded.ask("GET", POD).status == 404


def test_a_delete_with_another_resource_version_is_a_conflict(recorded):
    answer = recorded.ask("DELETE", POD, {"preconditions": {"resourceVersion": "1"}})
    assert answer.status == 409
    assert "the ResourceVersion in the precondition (1)" in answer.json["message"]


def test_a_lease_may_be_created_by_put_but_not_brought_back(served):
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    made = served.ask("PUT", path, {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}})
    assert made.status == 201
    served.ask("DELETE", path)
    assert served.ask("PUT", path, made.json).status == 409


def test_a_lease_is_not_replaced_without_its_resource_version(served):
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}
    served.ask("PUT", path, lease)
    answer = served.ask("PUT", path, {**lease, "spec": {"holderIdentity": "b"}})
    assert answer.status == 422
    assert "must be specified for an update" in answer.json["message"]


def test_who_wrote_which_field_is_kept(served, config_map):
    del config_map
    path = f"{CONFIG_MAPS}/a?fieldManager=second"
    answer = served.patch(path, {"data": {"k": "w", "n": "1"}}).json
    owners = {e["manager"]: e["fieldsV1"] for e in answer["metadata"]["managedFields"]}
    assert owners["second"] == {"f:data": {"f:k": {}, "f:n": {}}}
    assert owners["python-requests"] == {"f:data": {".": {}}}
