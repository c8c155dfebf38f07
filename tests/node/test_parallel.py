import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nftwave.errors import Unreachable
from nftwave.node.parallel import on_each
from tests.node.probing import probe_all

from .sshservers import raw

FAST = {"workers": 4, "per_host_deadline": 5.0, "overall_deadline": 20.0}


def hosts(count):
    return {f"n{number}": number for number in range(count)}


def test_every_host_has_a_result_under_its_name():
    got = dict(on_each(lambda number, _: number * 2, hosts(50), **FAST))
    assert got == {f"n{number}": number * 2 for number in range(50)}


def test_no_hosts_have_no_results():
    assert list(on_each(lambda number, _: number, {}, **FAST)) == []


def test_no_more_than_so_many_run_at_once():
    running, most, lock = [], [], threading.Lock()

    def work(_, __):
        with lock:
            running.append(1)
            most.append(len(running))
        threading.Event().wait(0.01)
        with lock:
            running.pop()

    list(on_each(work, hosts(30), **FAST | {"workers": 3}))
    assert 1 < max(most) <= 3


def test_results_come_as_they_are_ready():
    last = threading.Event()

    def work(number, _):
        if number == 0:
            last.wait(5)
        return number

    order = []
    for name, _ in on_each(work, hosts(5), **FAST):
        order.append(name)
        if len(order) == 4:
            last.set()
    assert order[-1] == "n0"


def test_whatever_goes_wrong_on_one_host_is_its_own_unreachable():
    def work(number, _):
        if number == 1:
            raise Unreachable("no banner", node="n1")
        if number == 2:
            raise ZeroDivisionError("oh")
        return number

    got = dict(on_each(work, hosts(4), **FAST))
    assert got["n1"].what == "no banner"
    assert (got["n2"].what, got["n2"].node) == ("ZeroDivisionError: oh", "n2")
    assert (got["n0"], got["n3"]) == (0, 3)


def test_hosts_that_the_overall_deadline_did_not_reach_say_so():
    def work(number, deadline):
        if number:
            threading.Event().wait(deadline.remaining() + 1)
        return number

    began = time.monotonic()
    got = dict(on_each(work, hosts(40), workers=2, per_host_deadline=60, overall_deadline=0.3))
    assert time.monotonic() - began < 2
    assert len(got) == 40
    assert got["n39"].what == "not answered within the 0.3 s for all nodes"


def test_a_hosts_time_is_cut_to_what_is_left_for_all():
    seen = []
    list(
        on_each(
            lambda _, deadline: seen.append(deadline.remaining()),
            hosts(3),
            workers=1,
            per_host_deadline=100,
            overall_deadline=5,
        )
    )
    assert all(0 < left <= 5 for left in seen)


def test_a_consumer_that_stops_ends_what_is_under_way():
    cut = threading.Event()

    class Guarded:
        def close(self):
            cut.set()

    def work(number, deadline):
        if number:
            with deadline.closes(Guarded()):
                cut.wait(10)
        return number

    results = on_each(work, hosts(10), **FAST)
    next(results)
    results.close()
    assert cut.wait(5)


def test_a_hundred_silent_servers_end_with_their_deadline(servers):
    with raw(lambda connection: threading.Event().wait(20) and connection) as port:
        nodes = {f"n{number}": servers.access(port, name=f"n{number}") for number in range(100)}
        began = time.monotonic()
        got = dict(probe_all(nodes, workers=50, per_host_deadline=0.5, overall_deadline=30))
    assert time.monotonic() - began < 8
    assert all("banner" in answer.what for answer in got.values())
    assert {name: answer.node for name, answer in got.items()} == {name: name for name in nodes}


PROGRAM = """
import sys
from nftwave.node.host import Access
from tests.node.probing import probe_all
nodes = {str(i): Access("n", "127.0.0.1", int(sys.argv[1]), agent=False) for i in range(100)}
print("begun", flush=True)
try:
    for name, answer in probe_all(nodes, workers=32, per_host_deadline=60, overall_deadline=60):
        print(name, answer)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("kind", [signal.SIGINT])
def test_ctrl_c_ends_at_once_whatever_hangs(kind):
    waiting = threading.Event()

    def silent(_):
        waiting.set()
        threading.Event().wait(30)

    with raw(silent) as port:
        root = Path(__file__).parents[2]
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert process.stdout.readline() == "begun\n"
        assert waiting.wait(10)
        began = time.monotonic()
        process.send_signal(kind)
        said, _ = process.communicate(timeout=20)
    assert said == "stopped\n"
    assert time.monotonic() - began < 3
