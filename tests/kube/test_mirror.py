"""A collection followed by a thread, against the lab's API server."""

from __future__ import annotations

import time

import pytest

from nftwave.kube.errors import ApiForbidden
from nftwave.kube.mirror import Mirror
from nftwave.kube.resources import CONFIG_MAPS


class Kept:
    """What a mirror passed on."""

    def __init__(self, gateway):
        self.objects = {}
        self.mirror = Mirror(gateway, CONFIG_MAPS, "default", put=self.put, remove=self.objects.pop)

    def put(self, item):
        self.objects[item["metadata"]["namespace"], item["metadata"]["name"]] = item

    def waits(self, names, data=None):
        until = time.monotonic() + 10
        while time.monotonic() < until:
            values = [one.get("data") for one in self.objects.values()]
            if {name for _, name in self.objects} == names and (data is None or data in values):
                return True
            time.sleep(0.01)
        return False


@pytest.fixture
def kept(gateway):
    one = Kept(gateway)
    yield one
    one.mirror.stop()


def config_map(name, **data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "default"},
        "data": data,
    }


def create(gateway, name, **data):
    return gateway.create(CONFIG_MAPS, config_map(name, **data), "default")


def test_what_is_there_is_passed_on_before_start_returns(gateway, kept):
    create(gateway, "one")
    kept.mirror.start()
    assert set(kept.objects) == {("default", "one")}


def test_changes_are_passed_on_as_they_come(api, gateway, kept):
    kept.mirror.start()
    made = create(gateway, "one", a="1")
    assert kept.waits({"one"}, {"a": "1"})
    gateway.replace(CONFIG_MAPS, {**made, "data": {"a": "2"}})
    assert kept.waits({"one"}, {"a": "2"})
    api.do(lambda: api.store.delete("configmaps", "default", "one"))
    assert kept.waits(set())


def test_many_changes_cost_one_list(api, gateway, kept):
    kept.mirror.start()
    for number in range(20):
        create(gateway, f"n{number}")
    assert kept.waits({f"n{number}" for number in range(20)})
    assert api.audit()["requests"]["list configmaps"] == 1


def test_a_watch_that_breaks_and_a_place_that_expired_lose_nothing(api, gateway, kept):
    create(gateway, "one")
    kept.mirror.start()
    api.fault("api-reset")
    for number in range(8):  # more than the server remembers
        api.do(lambda n=number: api.store.create("configmaps", config_map(f"n{n}")))
    api.do(api.api.faults.clear)
    assert kept.waits({"one", *(f"n{number}" for number in range(8))})


def test_a_list_that_is_refused_is_told_at_once(api):
    refused = Kept(api.gateway(user="nobody"))
    with pytest.raises(ApiForbidden):
        refused.mirror.start()


def test_where_no_watch_ever_comes_about_lists_make_it_up(api, gateway, kept):
    kept.mirror.start()
    api.fault("api-500:1/1@watch")
    api.do(lambda: api.store.create("configmaps", config_map("one")))
    # The watch that was open when the fault began tells of the first one.
    assert kept.waits({"one"})
    api.fault("api-reset:1/1@watch")
    for number in range(4):
        api.do(lambda n=number: api.store.create("configmaps", config_map(f"n{n}")))
    assert kept.waits({"one", "n0", "n1", "n2", "n3"})
    api.do(lambda: api.store.create("configmaps", config_map("later")))
    assert kept.waits({"one", "n0", "n1", "n2", "n3", "later"})
    assert api.audit()["requests"]["list configmaps"] > 1
