"""The client against OpenSSH, sudo and nft on nodes of their own network namespaces."""

import signal
import time
from dataclasses import replace

import pytest

from nftwave.errors import Unreachable
from nftwave.node.connect import open_session
from nftwave.node.facts import Health, ServicePort, Unknown
from tests.node.probing import probe, probe_all

from .namespaces import why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


def test_a_migrated_node_is_seen_whole_by_root(near):
    seen = probe(near, deadline=30)
    assert seen.uid == 0
    assert {("ip", "kube-proxy"), ("ip6", "kube-proxy"), ("ip", "nat")} <= seen.tables
    assert seen.service_ips["ip"] == {
        ServicePort("10.96.0.100", "tcp", 80),
        ServicePort("10.96.0.1", "tcp", 443),
    }
    assert seen.service_ips["ip6"] == frozenset()
    assert seen.virtual_servers == ()
    assert seen.ipvs_interface is None
    assert seen.proxy_mode == "nftables"
    assert seen.health == Health(200, {"ip": True, "ip6": True})
    assert seen.process_started < seen.last_sync["ip"]


def test_an_ordinary_user_sees_the_same_through_sudo(near):
    ops = probe(replace(near, user="ops", sudo=True), deadline=30)
    root = probe(near, deadline=30)
    assert replace(ops, clock=0, conntrack=(0, 0)) == replace(root, clock=0, conntrack=(0, 0))


def test_an_ordinary_user_without_sudo_sees_what_needs_no_root(near):
    seen = probe(replace(near, user="guest"), deadline=30)
    assert seen.uid == 4243
    assert isinstance(seen.tables, Unknown)
    assert "it needs root" in seen.tables.reason
    assert seen.service_ips["ip"] == seen.tables
    assert seen.proxy_mode == "nftables"
    assert seen.virtual_servers == ()


def test_a_user_whom_sudo_refuses_is_told_the_line_that_mends_it(near):
    with pytest.raises(Unreachable, match="sudo refused: sudo: a password is required") as error:
        probe(replace(near, user="guest", sudo=True), deadline=30)
    assert "guest ALL=(root) NOPASSWD: /usr/bin/sh -s" in error.value.next_step


def test_a_node_behind_a_jump_host_is_seen_through_it(node, inner, known, key):
    both = {"known_hosts": known(node, inner), "identity_files": (key,)}
    jump = node.access(**both, user="ops")
    with pytest.raises(Unreachable):
        probe(inner.access(**both), deadline=2)
    seen = probe(inner.access(**both).behind((jump,)), deadline=30)
    assert seen.node == inner.name
    assert set(seen.ipvs_interface) == {"10.96.0.1", "fd00::1"}
    assert seen.tables == frozenset()
    assert seen.service_ips == {"ip": None, "ip6": None}
    assert "did not answer" in seen.proxy_mode.reason


def test_a_changed_host_key_stops_before_the_login(node, near, known, inner):
    file = known(inner)[0]
    file.write_text(f"{node.address} {inner.public_key()}\n")
    with pytest.raises(Unreachable, match="has changed") as error:
        probe(replace(near, known_hosts=(file,)), deadline=30)
    assert f"{file}:1" in error.value.what


def test_a_server_that_accepts_and_hangs_ends_in_time(node, near):
    listener = node.children[0]
    listener.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"no answer within 1 s.* waiting for its SSH banner"):
            probe(near, deadline=1)
        assert time.monotonic() - began < 3
    finally:
        listener.send_signal(signal.SIGCONT)


def test_a_second_look_uses_the_same_connection(near):
    with open_session(near, deadline=30) as session:
        assert session.probe(deadline=30).uid == 0
        assert session.probe(deadline=30).uid == 0


def test_a_burst_that_max_startups_drops_is_seen_whole_in_the_end(inner, node, known, key):
    inner.children.pop(0).terminate()
    inner.serves_ssh(inner.address, "MaxStartups 2:100:2")
    both = {"known_hosts": known(node, inner), "identity_files": (key,)}
    far = inner.access(**both).behind((node.access(**both),))
    looks = {f"look-{number}": far for number in range(8)}
    got = dict(probe_all(looks, workers=8, per_host_deadline=40, overall_deadline=60))
    assert [answer for answer in got.values() if isinstance(answer, Unreachable)] == []
