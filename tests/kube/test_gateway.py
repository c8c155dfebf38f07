"""The gateway against the lab's API server, over real HTTPS."""

from __future__ import annotations

import threading
import time

import pytest

from nftwave.errors import Conflict
from nftwave.kube.converge import converge
from nftwave.kube.errors import (
    ApiConflict,
    ApiError,
    ApiForbidden,
    ApiInvalid,
    ApiNotFound,
    ApiUnavailable,
)
from nftwave.kube.resources import CONFIG_MAPS, NODES, PODS, Resource
from nftwave.kube.waiting import follow

NAMESPACE = "kube-system"


def config_map(name="cm", **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": data,
    }


def test_a_missing_object_is_not_found_or_none(gateway):
    with pytest.raises(ApiNotFound, match='configmaps "absent" not found'):
        gateway.get(CONFIG_MAPS, "absent", NAMESPACE)
    assert gateway.find(CONFIG_MAPS, "absent", NAMESPACE) is None


def test_a_stale_replace_is_a_conflict_and_changes_nothing(gateway):
    made = gateway.create(CONFIG_MAPS, config_map(a="1"), NAMESPACE)
    gateway.replace(CONFIG_MAPS, {**made, "data": {"a": "2"}})
    with pytest.raises(ApiConflict, match="has been modified"):
        gateway.replace(CONFIG_MAPS, {**made, "data": {"a": "3"}})
    assert gateway.get(CONFIG_MAPS, "cm", NAMESPACE)["data"] == {"a": "2"}


def test_a_dry_run_is_checked_and_leaves_nothing(gateway):
    made = gateway.create(CONFIG_MAPS, config_map(a="1"), NAMESPACE)
    gateway.replace(CONFIG_MAPS, {**made, "data": {"a": "2"}}, dry_run=True)
    with pytest.raises(ApiInvalid, match="cannot unmarshal number"):
        gateway.replace(CONFIG_MAPS, {**made, "data": {"a": 5}}, dry_run=True)
    assert gateway.get(CONFIG_MAPS, "cm", NAMESPACE)["data"] == {"a": "1"}


def test_lists_come_in_pages_and_hold_everything(gateway, api, monkeypatch):
    monkeypatch.setattr("nftwave.kube.gateway.PAGE", 7)
    for number in range(20):
        api.do(lambda n=number: api.store.create("nodes", node(f"n{n:02}")))
    listing = gateway.list(NODES)
    assert [n["metadata"]["name"] for n in listing.items] == [f"n{n:02}" for n in range(20)]
    assert api.audit()["requests"]["list nodes"] == 3


def node(name):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}


def test_who_may_not_is_told_what_is_missing(api):
    with pytest.raises(ApiForbidden, match='cannot list resource "nodes"') as error:
        api.gateway(user="nobody").list(NODES)
    assert "rbac.yaml" in error.value.next_step


@pytest.mark.parametrize("fault", ["api-429", "api-500", "api-reset"])
def test_reads_outlive_a_fault_that_passes(gateway, api, fault):
    gateway.create(CONFIG_MAPS, config_map(a="1"), NAMESPACE)
    api.fault(fault)
    seen = [gateway.get(CONFIG_MAPS, "cm", NAMESPACE)["data"]["a"] for _ in range(6)]
    assert seen == ["1"] * 6


@pytest.mark.parametrize("fault", ["api-429", "api-500", "api-reset"])
@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_change_is_made_exactly_once_whatever_request_is_hit(gateway, api, fault, offset):
    gateway.create(CONFIG_MAPS, config_map(n="0"), NAMESPACE)
    api.fault(fault)
    for _ in range(offset):
        gateway.find(CONFIG_MAPS, "absent", NAMESPACE)

    def count(now):
        return gateway.replace(CONFIG_MAPS, {**now, "data": {"n": str(int(now["data"]["n"]) + 1)}})

    result = converge(
        lambda: gateway.get(CONFIG_MAPS, "cm", NAMESPACE),
        lambda now: now["data"]["n"] != "0",
        count,
    )
    assert result.changed
    assert gateway.get(CONFIG_MAPS, "cm", NAMESPACE)["data"] == {"n": "1"}


def test_what_is_as_wanted_is_not_written(gateway, api):
    gateway.create(CONFIG_MAPS, config_map(a="1"), NAMESPACE)
    before = len(api.audit()["mutations"])
    result = converge(
        lambda: gateway.get(CONFIG_MAPS, "cm", NAMESPACE), lambda _: True, pytest.fail
    )
    assert not result.changed
    assert len(api.audit()["mutations"]) == before


def test_an_object_that_somebody_puts_back_is_a_conflict(gateway):
    made = gateway.create(CONFIG_MAPS, config_map(a="1"), NAMESPACE)
    with pytest.raises(Conflict, match="somebody puts it back"):
        converge(lambda: made, lambda now: now["data"] == {"a": "2"}, lambda now: now)


def test_a_server_that_is_not_there_is_unavailable_and_was_not_changed(api):
    gateway = api.gateway()
    api.run(api.api.stop())
    with pytest.raises(ApiUnavailable, match="no answer from the API server") as error:
        gateway.create(CONFIG_MAPS, config_map(), NAMESPACE)
    assert error.value.carried_out is False


def test_one_object_is_not_waited_for_as_long_as_a_change(gateway, api, monkeypatch):
    monkeypatch.setattr("nftwave.kube.gateway.ONE_OBJECT_TIMEOUT", 0.3)
    again = api.gateway()
    again.create(CONFIG_MAPS, config_map(), NAMESPACE)
    api.fault("api-hang:1@get/configmaps")
    begun = time.monotonic()
    assert again.get(CONFIG_MAPS, "cm", NAMESPACE)["metadata"]["name"] == "cm"
    assert time.monotonic() - begun < 5
    again.close()


def test_a_page_of_somebody_else_is_no_answer(gateway):
    with pytest.raises(ApiError, match="no API server: 'ok'"):
        gateway.get(Resource("", "healthz", namespaced=False), "")


def test_following_shows_each_change_without_asking_again(gateway, api):
    api.do(lambda: api.store.create("pods", pod("a", "1")))
    seen = []

    def change():
        for step in (
            lambda: api.store.create("pods", pod("b", "2")),
            lambda: api.store.delete("pods", NAMESPACE, "a"),
        ):
            while len(seen) < 1:
                time.sleep(0.01)
            api.do(step)

    threading.Thread(target=change, daemon=True).start()
    for objects in follow(gateway, PODS, NAMESPACE, until=time.monotonic() + 10):
        seen.append(sorted(objects))
        if seen[-1] == ["b"]:
            break
    assert seen[0] == ["a"]
    assert ["a", "b"] in seen
    assert api.audit()["requests"]["list pods"] == 1


def test_following_goes_on_after_resets_and_misses_nothing(gateway, api):
    api.fault("api-reset")
    names = [f"p{n:02}" for n in range(12)]

    def change():
        for name in names:
            time.sleep(0.05)
            api.do(lambda name=name: api.store.create("pods", pod(name, name)))

    threading.Thread(target=change, daemon=True).start()
    for objects in follow(gateway, PODS, NAMESPACE, until=time.monotonic() + 20):
        if sorted(objects) == names:
            break
    else:
        pytest.fail("a change was missed")


def test_following_begins_anew_when_its_place_has_expired(gateway, api, monkeypatch):
    api.do(lambda: api.store.create("pods", pod("a", "1")))
    begun = follow(gateway, PODS, NAMESPACE, until=time.monotonic() + 10)
    assert sorted(next(begun)) == ["a"]
    api.do(lambda: api.store.delete("pods", NAMESPACE, "a"))
    for name in "cdefghi":
        api.do(lambda name=name: api.store.create("pods", pod(name, name)))
        api.do(lambda name=name: api.store.delete("pods", NAMESPACE, name))
    api.do(lambda: api.store.create("pods", pod("b", "2")))
    for objects in begun:
        if sorted(objects) == ["b"]:
            break
    assert api.audit()["requests"]["list pods"] == 2


def pod(name, uid):
    meta = {"name": name, "namespace": NAMESPACE, "uid": uid}
    spec = {"containers": [{"name": "kube-proxy", "image": "kube-proxy"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
