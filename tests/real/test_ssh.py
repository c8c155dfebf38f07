"""The client against OpenSSH, sudo and nft on nodes of their own network namespaces."""

import os
import signal
import time
from dataclasses import replace

import pytest

from nftwave.errors import Unreachable
from nftwave.node.connect import open_session
from nftwave.node.facts import Health, ServicePort, Unknown
from tests.node.probing import probe, probe_all

from .namespaces import Node, recorded_ruleset, run, why_not

REASON = why_not()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    file = tmp_path_factory.mktemp("client") / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file)
    return file


@pytest.fixture(scope="module")
def net():
    """Three octets of a network for testing (RFC 2544), another one for each process."""
    return f"198.18.{os.getpid() % 250}"


@pytest.fixture(scope="module")
def made(tmp_path_factory, key):
    """Makes nodes, and removes them in the end."""
    nodes = []

    def make(name):
        name = f"nw{os.getpid()}-{name}"
        nodes.append(Node(name, tmp_path_factory.mktemp("node") / name, key))
        return nodes[-1]

    yield make
    for node in nodes:
        node.remove()


@pytest.fixture(scope="module")
def node(made, net):
    """A node as it is after the change to nftables, one cable away."""
    node = made("near")
    run(
        "ip",
        "link",
        "add",
        f"nw{os.getpid()}",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        node.name,
    )
    run("ip", "addr", "add", f"{net}.1/30", "dev", f"nw{os.getpid()}")
    run("ip", "link", "set", f"nw{os.getpid()}", "up")
    run("ip", "-n", node.name, "addr", "add", f"{net}.2/30", "dev", "eth0")
    run("ip", "-n", node.name, "link", "set", "eth0", "up")
    node.loads(recorded_ruleset())
    node.serves_ssh(f"{net}.2")
    node.answers_as_kube_proxy("nftables")
    return node


@pytest.fixture(scope="module")
def inner(made, net, node):
    """A node that only `node` has a cable to, with an interface called kube-ipvs0."""
    inner = made("far")
    run(
        "ip",
        "-n",
        node.name,
        "link",
        "add",
        "eth1",
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        inner.name,
    )
    for name, device, address in ((node.name, "eth1", 5), (inner.name, "eth0", 6)):
        run("ip", "-n", name, "addr", "add", f"{net}.{address}/30", "dev", device)
        run("ip", "-n", name, "link", "set", device, "up")
    run(
        "ip", "-n", inner.name, "link", "add", "kube-ipvs0", "type", "veth", "peer", "name", "other"
    )
    for address in ("10.96.0.1/32", "fd00::1/128"):
        run("ip", "-n", inner.name, "addr", "add", address, "dev", "kube-ipvs0")
    inner.serves_ssh(f"{net}.6")
    return inner


@pytest.fixture
def known(tmp_path):
    """A known_hosts file with the keys of the given nodes."""

    def written(*nodes):
        file = tmp_path / "known_hosts"
        file.write_text("".join(f"{node.address} {node.public_key()}\n" for node in nodes))
        run("ssh-keygen", "-Hf", file)
        return (file,)

    return written


@pytest.fixture
def near(node, known, key):
    return node.access(known_hosts=known(node), identity_files=(key,))


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
