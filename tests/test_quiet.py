"""Waiting for few connections: on a lab's nodes over SSH, and what comes of looks that fail."""

from __future__ import annotations

import threading

import pytest

from nftwave import quiet
from nftwave.errors import Unreachable
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.lab.launch import running_lab
from nftwave.look import look_at_api
from nftwave.node.facts import Unknown
from nftwave.node.jumps import JumpHosts
from nftwave.quiet import await_quiet
from nftwave.reaching import opener
from tests.facts import in_ipvs

NODE = "lab-1-node-1"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("quiet"), nodes=2, speed=60) as one:
        yield one


@pytest.fixture
def way(lab):
    """To a node of the lab, counting the sessions that are opened."""
    cluster = load_fleet(lab.fleet_file).cluster("lab-1")
    gateway = connect(cluster)
    facts = look_at_api(cluster, gateway)
    node = next(one for one in facts.nodes if one.name == NODE)
    jumps = JumpHosts()
    inner = opener(cluster, node, gateway=gateway, pod=lambda: None, jumps=jumps)

    def counted(deadline):
        counted.sessions += 1
        return inner(deadline)

    counted.sessions = 0
    yield counted
    lab.clear()
    jumps.close()
    gateway.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(quiet, "PAUSE", 0.05)


def wait_for(way, *, at_most, seconds=30.0):
    told = []
    found = await_quiet(
        way, max_connections=at_most, wait_seconds=seconds, probe_deadline=10, tell=told.append
    )
    return found, told


def test_a_busy_node_is_waited_for_over_one_session(lab, way):
    lab.fault("lab-1", NODE, "busy")
    found, told = wait_for(way, at_most=50)
    assert found.quiet
    assert found.connections <= 50
    assert found.words == f"{found.connections} connections established through ipvs: few enough"
    assert told
    assert all(one.startswith("waiting for at most 50 connections: ") for one in told)
    assert way.sessions == 1


def test_a_node_that_stays_busy_is_told_with_its_last_count(lab, way):
    lab.fault("lab-1", NODE, "always-busy")
    found, told = wait_for(way, at_most=50, seconds=0.3)
    assert not found.quiet
    assert found.connections >= 200
    assert (
        found.words == f"still {found.connections} connections established through ipvs after 0 s"
    )
    assert told == [f"waiting for at most 50 connections: {found.connections} established"] * len(
        told
    )


def test_a_quiet_node_is_looked_at_once(way):
    found, told = wait_for(way, at_most=100, seconds=0)
    assert (found.quiet, told, way.sessions) == (True, [], 1)


def test_a_node_that_does_not_answer_is_not_quiet(lab, way):
    lab.fault("lab-1", NODE, "ssh-refused")
    found, _ = wait_for(way, at_most=1000, seconds=0.2)
    assert (found.quiet, found.connections) == (False, None)
    assert found.words.startswith("not known to be quiet after 0 s: ")


class Told:
    """Looks that tell what a test gives them; a failing one ends its session."""

    def __init__(self, *answers):
        self.answers = iter(answers)
        self.opened = self.closed = 0

    def __call__(self, deadline):  # noqa: ARG002 (the Opener's signature)
        self.opened += 1
        return self

    def probe(self, *, deadline, reach):  # noqa: ARG002 (as above)
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, int):
            answer = {"ESTABLISHED": answer, "TIME_WAIT": 900}
        return in_ipvs(ipvs_connections=answer)

    def close(self):
        self.closed += 1


@pytest.mark.parametrize(
    ("answers", "connections", "opened"),
    [
        ((60, Unreachable("reset"), 4), 4, 2),
        ((Unknown("permission denied"), 5), 5, 1),
        (({},), 0, 1),
        ((6, 5), 5, 1),
    ],
    ids=["session lost", "unreadable", "ipvs not loaded", "at the limit"],
)
def test_it_is_quiet_when_a_look_says_so(answers, connections, opened):
    way = Told(*answers)
    found, _ = wait_for(way, at_most=5)
    assert (found.quiet, found.connections) == (True, connections)
    assert way.opened == opened
    assert way.closed == way.opened


def test_what_cannot_be_read_any_more_is_told_beside_the_last_count(monkeypatch):
    way = Told(60, Unreachable("reset"))
    stop = threading.Event()
    monkeypatch.setattr(quiet, "STOP", stop)
    told = []

    def tell(what):
        told.append(what)
        if len(told) == 2:
            stop.set()

    found = await_quiet(way, max_connections=5, wait_seconds=30, probe_deadline=1, tell=tell)
    assert (found.quiet, found.connections) == (False, 60)
    assert found.words.endswith("at the last look that told; then reset")
    assert told[1] == "waiting for at most 5 connections: unknown, reset"
