"""The lock on a cluster, against the lab's API server; processes really die here."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nftwave import holder as holders
from nftwave import lease, lock
from nftwave.errors import Conflict
from nftwave.holder import Holder
from nftwave.kube.errors import ApiConflict, ApiForbidden
from nftwave.kube.resources import LEASES
from nftwave.lock import Held, Lock
from tests.kube.conftest import Api

ANNA = Holder("anna", "laptop-7", 4242, "100", "boot-of-laptop-7 pid:[1]", "3f2c")
HERE = Holder.here("r1")
MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
def api(tmp_path):
    served = Api(tmp_path)
    yield served
    if served.thread.is_alive():
        served.stop()


@pytest.fixture
def gateway(api):
    one = api.gateway()
    yield one
    one.close()


@pytest.fixture
def quick(monkeypatch):
    """Renewals and watching in tenths of a second."""
    for name, seconds in (("RENEW", 0.05), ("WATCHED", 0.4), ("LOOK", 0.05), ("LONGEST_WAIT", 0.1)):
        monkeypatch.setattr(lock, name, seconds)


def lock_of(gateway, holder=HERE, purpose="migrate"):
    return Lock(gateway, holder=holder, purpose=purpose)


def seed(gateway, holder=ANNA, *, renewed=0.0, token="of-another", **spec):  # noqa: S107
    """A Lease taken by somebody, renewed so many seconds from now."""
    body = lease.taken(None, holder, purpose="migrate", token=token, duration=30)
    at = datetime.now(UTC) + timedelta(seconds=renewed)
    told = {"renewTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), **spec}
    return gateway.create(LEASES, {**body, "spec": body["spec"] | told}, "kube-system")


def spec_of(gateway):
    return gateway.get(LEASES, "nftwave", "kube-system")["spec"]


def renew_time(api):
    """From the store itself, past what hinders the API."""
    found = api.do(lambda: api.store.get("leases.coordination.k8s.io", "kube-system", "nftwave"))
    return found["spec"]["renewTime"]


def waits(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.01)
    return False


# Taking and giving back


def test_the_lease_has_the_fields_that_leader_election_gives_one(gateway):
    with lock_of(gateway):
        held = spec_of(gateway)
    assert held["holderIdentity"] == f"{HERE.user}@{HERE.host} pid {os.getpid()} run r1"
    assert held["leaseDurationSeconds"] == 30
    assert held["leaseTransitions"] == 0
    assert MICRO_TIME.fullmatch(held["acquireTime"])
    assert MICRO_TIME.fullmatch(held["renewTime"])
    after = gateway.get(LEASES, "nftwave", "kube-system")
    assert after["spec"]["holderIdentity"] == ""
    assert after["spec"]["leaseDurationSeconds"] == 1
    assert after["spec"]["leaseTransitions"] == 0
    assert not after["metadata"].get("annotations")


def test_each_next_holder_counts_as_a_transition(gateway):
    for transitions in range(3):
        with lock_of(gateway) as held:
            assert spec_of(gateway)["leaseTransitions"] == transitions
            assert held.taken_over_from == ""


def test_what_others_wrote_on_the_lease_stays(gateway):
    with lock_of(gateway):
        patch = {"metadata": {"labels": {"team": "net"}, "annotations": {"note": "x"}}}
        gateway.merge(LEASES, "nftwave", patch, "kube-system")
    with lock_of(gateway):
        meta = gateway.get(LEASES, "nftwave", "kube-system")["metadata"]
    assert meta["labels"] == {"team": "net"}
    assert meta["annotations"]["note"] == "x"


def test_a_living_holder_is_told_with_who_what_since_when_and_what_next(gateway):
    before = seed(gateway, renewed=-3)
    with pytest.raises(Held) as error, lock_of(gateway):
        pass
    told = " ".join(error.value.lines())
    assert error.value.exit_status == 1
    assert "lab-test: anna@laptop-7 pid 4242 run 3f2c (migrate) has the lock" in told
    assert re.search(r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, renewed [3-9] s ago", told)
    assert "wait until it ends" in told
    assert "`nftwave status lab-test`" in told
    assert gateway.get(LEASES, "nftwave", "kube-system") == before


def test_the_same_process_does_not_get_it_twice(gateway):
    with lock_of(gateway) as first:
        with pytest.raises(Held, match=f"pid {os.getpid()}"), lock_of(gateway):
            pass
        first.check()


def test_of_many_takers_one_has_it(api, gateway):
    start, end = threading.Barrier(6), threading.Event()
    results = []

    def take():
        start.wait()
        try:
            with lock_of(gateway):
                results.append("taken")
                end.wait(20)
        except Held:
            results.append("held")

    takers = [threading.Thread(target=take) for _ in range(6)]
    for one in takers:
        one.start()
    assert waits(lambda: len(results) == 6)
    end.set()
    for one in takers:
        one.join()
    assert sorted(results) == ["held"] * 5 + ["taken"]


@pytest.mark.parametrize("fault", ["api-429", "api-500", "api-reset"])
@pytest.mark.parametrize("offset", [0, 1, 2])
def test_whichever_request_is_hit_it_is_taken_and_given_back_once(gateway, api, fault, offset):
    api.fault(fault)
    for _ in range(offset):
        with contextlib.suppress(Exception):
            gateway.text("/version")
    with lock_of(gateway) as held:
        held.check()
    assert spec_of(gateway)["holderIdentity"] == ""
    assert spec_of(gateway)["leaseTransitions"] == 0


def test_who_may_not_take_it_is_told_what_to_grant(api):
    with pytest.raises(ApiForbidden, match="leases") as error, lock_of(api.gateway(user="nobody")):
        pass
    assert "rbac.yaml" in error.value.next_step


# Taking over

PROGRAM = """
import sys, time
from pathlib import Path
from nftwave.fleet import explicit_cluster
from nftwave.holder import Holder
from nftwave.kube.connect import connect
from nftwave.lock import Lock
gateway = connect(explicit_cluster(Path(sys.argv[1]), "lab-test"))
with Lock(gateway, holder=Holder.here("r0"), purpose="migrate"):
    print("taken", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(api, gateway):
    """A process of this machine that has the lock."""
    path = api.folder / "admin.kubeconfig"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "taken\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_process_that_lives_keeps_it_and_a_killed_one_loses_it_at_once(gateway, other_process):
    with pytest.raises(Held, match=f"pid {other_process.pid} run r0"), lock_of(gateway):
        pass
    other_process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, other_process.pid, os.WEXITED | os.WNOWAIT)
    began = time.monotonic()
    # Its parent has not asked about it yet: to the kernel the pid is still there.
    with lock_of(gateway) as held:
        took = time.monotonic() - began
        assert f"pid {other_process.pid} run r0 (migrate), which has ended" in held.taken_over_from
        assert spec_of(gateway)["leaseTransitions"] == 1
    assert took < lock.WATCHED


def test_what_this_process_left_behind_is_taken_at_once(gateway):
    seed(gateway, replace(HERE, run="r0"))
    with lock_of(gateway) as held:
        assert "run r0 (migrate), which has ended" in held.taken_over_from


def test_a_holder_elsewhere_that_renews_no_more_is_taken_over_after_watching(gateway, quick):
    seed(gateway, renewed=-3600, leaseTransitions=4)
    began = time.monotonic()
    with lock_of(gateway) as held:
        assert time.monotonic() - began >= lock.WATCHED
        assert held.taken_over_from.startswith("anna@laptop-7 pid 4242 run 3f2c (migrate)")
        assert "renewed 60 min ago and not within the 0 s" in held.taken_over_from
        assert spec_of(gateway)["leaseTransitions"] == 5


@pytest.mark.parametrize("skew", [-3600, 3600], ids=["clock-behind", "clock-ahead"])
def test_a_holder_whose_clock_differs_keeps_it_while_it_renews(gateway, quick, skew):
    held = seed(gateway, renewed=skew)
    stop = threading.Event()

    def renew():
        at = datetime.now(UTC) + timedelta(seconds=skew)
        for beat in range(1, 2000):
            if stop.wait(0.1):
                return
            told = (at + timedelta(seconds=beat)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            gateway.merge(LEASES, "nftwave", {"spec": {"renewTime": told}}, "kube-system")

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        with pytest.raises(Held, match="anna@laptop-7"), lock_of(gateway):
            pass
    finally:
        stop.set()
        renewing.join()
    assert spec_of(gateway)["holderIdentity"] == held["spec"]["holderIdentity"]


def test_a_renewal_in_the_future_that_nobody_repeats_is_no_hindrance(gateway, quick):
    seed(gateway, renewed=3600)
    with lock_of(gateway) as held:
        assert "in the future (the clocks of two machines differ)" in held.taken_over_from


def test_what_is_given_back_while_it_is_watched_is_taken_and_not_taken_over(
    gateway, quick, monkeypatch
):
    monkeypatch.setattr(lock, "WATCHED", 30)
    found = seed(gateway, renewed=-3600)
    giving = threading.Timer(0.2, lambda: gateway.replace(LEASES, lease.released(found)))
    giving.start()
    with lock_of(gateway) as held:
        assert held.taken_over_from == ""
    giving.join()


def test_a_lease_that_says_nothing_of_its_holder_is_held_until_it_expires(gateway, quick):
    found = seed(gateway)
    bare = {**found, "metadata": {**found["metadata"], "annotations": {}}}
    bare["spec"] = {**found["spec"], "holderIdentity": "by-hand"}
    gateway.replace(LEASES, bare)
    with pytest.raises(Held, match="by-hand has the lock"), lock_of(gateway):
        pass
    old = {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}}
    gateway.merge(LEASES, "nftwave", old, "kube-system")
    with lock_of(gateway) as held:
        assert held.taken_over_from.startswith("by-hand, which held the lock")


# Keeping


def test_it_is_renewed_while_it_is_held(gateway, quick):
    with lock_of(gateway) as held:
        first = spec_of(gateway)
        assert waits(lambda: spec_of(gateway)["renewTime"] > first["renewTime"])
        held.check()
        now = spec_of(gateway)
    assert {**now, "renewTime": ""} == {**first, "renewTime": ""}


@pytest.mark.parametrize(
    "fault", ["api-429", "api-500", "api-reset", "api-lost", "api-hang:1@update", "api-hang:1@get"]
)
def test_renewals_outlive_a_fault_of_the_api(gateway, api, quick, fault, monkeypatch):
    monkeypatch.setattr(lock, "ANSWER_WITHIN", 1.0)
    with lock_of(gateway) as held:
        api.fault(fault)
        seen = set()
        assert waits(lambda: seen.add(renew_time(api)) or len(seen) > 4)
        api.do(api.api.faults.clear)
        held.check()
    assert not held.lost.is_set()
    assert spec_of(gateway)["holderIdentity"] == ""


def test_a_label_set_by_hand_costs_nothing(gateway, quick):
    with lock_of(gateway) as held:
        patch = {"metadata": {"labels": {"team": "net"}}}
        gateway.merge(LEASES, "nftwave", patch, "kube-system")
        before = spec_of(gateway)["renewTime"]
        assert waits(lambda: spec_of(gateway)["renewTime"] > before)
        held.check()


def take_over(gateway, holder=ANNA):
    """Write somebody else into the Lease, whatever it says."""
    while True:
        with contextlib.suppress(ApiConflict):
            found = lease.read(gateway)
            body = lease.taken(found, holder, purpose="migrate", token="theirs", duration=30)  # noqa: S106
            return gateway.replace(LEASES, body)


def test_when_another_takes_it_over_no_change_is_allowed_and_it_is_left_to_them(gateway, quick):
    with lock_of(gateway) as held:
        theirs = take_over(gateway)
        assert held.lost.wait(20)
        with pytest.raises(Conflict, match=r"the lock was lost: anna@laptop-7 .* taken it over"):
            held.check()
    assert gateway.get(LEASES, "nftwave", "kube-system") == theirs


def test_a_process_that_was_stopped_renews_before_it_changes_anything(gateway):
    with lock_of(gateway) as held:
        before = spec_of(gateway)["renewTime"]
        held._renewed -= 3600  # as after an hour of sleep: no renewal was due by the thread's clock
        held.check()
        assert spec_of(gateway)["renewTime"] > before


def test_a_process_that_was_stopped_for_too_long_learns_who_has_it_now(gateway):
    with lock_of(gateway) as held:
        take_over(gateway)
        held._renewed -= 3600
        with pytest.raises(Conflict, match="anna@laptop-7"):
            held.check()


def test_an_api_server_that_stays_away_costs_the_lock_after_its_duration(
    api, gateway, quick, monkeypatch
):
    monkeypatch.setattr(lock, "DURATION", 1.0)
    monkeypatch.setattr(lock, "FRESH", 0.5)
    with lock_of(gateway) as held:
        api.stop()
        assert held.lost.wait(20)
        with pytest.raises(Conflict, match=r"could not be renewed for \d s: no answer") as error:
            held.check()
    assert "`nftwave status lab-test`" in error.value.next_step


def test_a_lock_that_was_given_back_allows_nothing(gateway):
    with lock_of(gateway) as held:
        held.check()
    with pytest.raises(Conflict, match="the lock was lost"):
        held.check()


# Who holds it


def test_a_process_is_told_from_what_has_its_pid_now():
    assert not HERE.has_ended()
    assert replace(HERE, started="1").has_ended()


@pytest.mark.parametrize("change", [{"boot": "other"}, {"boot": ""}])
def test_the_end_of_a_process_elsewhere_cannot_be_seen(change):
    assert not replace(HERE, pid=2**22 + 1, **change).has_ended()
    assert replace(HERE, pid=2**22 + 1).has_ended()


def test_a_process_that_proc_hides_counts_as_living(tmp_path, monkeypatch):
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("b\n")
    (tmp_path / "self/ns").mkdir(parents=True)
    (tmp_path / "self/ns/pid").symlink_to("pid:[1]")
    monkeypatch.setattr(holders, "PROC", tmp_path)
    assert not Holder("root", "h", os.getppid(), "1", "b pid:[1]").has_ended()


def test_without_proc_a_holder_is_still_named(tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "PROC", tmp_path)
    here = Holder.here()
    assert (here.boot, here.started) == ("", "")
    assert here.identity.endswith(f"pid {os.getpid()}")
