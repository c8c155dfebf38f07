import threading
from dataclasses import replace

import pytest

from nftwave.errors import Unreachable
from nftwave.node.connect import SHARED, open_session
from nftwave.node.facts import NodeFacts
from nftwave.node.jumps import JumpHosts
from tests.node.probing import probe, probe_all

from .sshservers import raw


@pytest.fixture
def bastion(servers):
    return servers.start(name="bastion")


def wait_until(done):
    gone = threading.Event()
    for _ in range(200):
        if done():
            return True
        gone.wait(0.02)
    return False


def test_hosts_behind_a_jump_host_share_one_connection_to_it(servers, bastion):
    jump, at_jump = bastion
    nodes = {}
    for number in range(8):
        access, _ = servers.start(name=f"n{number}")
        nodes[access.node] = access.behind((jump,))
    got = dict(probe_all(nodes, workers=4, per_host_deadline=20, overall_deadline=60))
    assert {name: facts.node for name, facts in got.items()} == {name: name for name in nodes}
    assert at_jump["connections"] == 1
    assert at_jump["forwards"] == 8
    assert wait_until(lambda: at_jump["open"] == 0)


def test_several_jump_hosts_make_a_chain(servers, bastion):
    outer, at_outer = bastion
    inner, at_inner = servers.start(name="inner")
    access, at_node = servers.start()
    assert probe(access.behind((outer, inner)), deadline=20).node == "n1"
    assert (at_outer["forwards"], at_inner["forwards"]) == (1, 1)
    assert at_node["connections"] == 1
    assert wait_until(lambda: at_outer["open"] == 0 and at_inner["open"] == 0)


def test_sessions_without_a_pool_share_while_one_is_open(servers, bastion):
    jump, at_jump = bastion
    access, _ = servers.start()
    behind = access.behind((jump,))
    with open_session(behind, deadline=10), open_session(behind, deadline=10) as second:
        assert isinstance(second.probe(deadline=20), NodeFacts)
        assert at_jump["connections"] == 1
    assert wait_until(lambda: at_jump["open"] == 0)
    with open_session(behind, deadline=10):
        assert at_jump["connections"] == 2
    assert not any(hop.leases for hop in SHARED._hops.values())


def test_a_jump_hosts_own_key_is_verified(servers, keys):
    jump, at_jump = servers.start(host_keys=[keys.other_host], known=[keys.host], name="bastion")
    access, at_node = servers.start()
    with pytest.raises(
        Unreachable, match=r"jump host bastion: the host key of .* has changed"
    ) as error:
        probe(access.behind((jump,)), deadline=10)
    assert error.value.node == "n1"
    assert "forwards" not in at_jump
    assert "connections" not in at_node


def test_a_jump_host_that_forbids_forwarding_is_named(servers):
    jump, _ = servers.start(forwards=False, name="bastion")
    access, _ = servers.start()
    with pytest.raises(Unreachable, match=f"jump host ops@127.0.0.1:{jump.port} cannot connect"):
        probe(access.behind((jump,)), deadline=10)


def test_a_node_that_refuses_behind_a_jump_host(servers, bastion):
    jump, _ = bastion
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1: jump host .* cannot connect to it"):
        probe(servers.access(1).behind((jump,)), deadline=10)


def test_a_dead_jump_host_fails_all_behind_it_at_the_price_of_one_try(servers):
    tries = []

    def silent(connection):
        tries.append(1)
        threading.Event().wait(10)
        connection.close()

    with raw(silent) as port:
        jump = servers.access(port, name="bastion")
        nodes = {f"n{i}": servers.access(i + 1, name=f"n{i}").behind((jump,)) for i in range(20)}
        got = dict(probe_all(nodes, workers=4, per_host_deadline=0.5, overall_deadline=20))
    assert len(tries) == 1
    assert all(isinstance(answer, Unreachable) for answer in got.values())
    assert all("jump host bastion" in answer.what for answer in got.values())
    assert {answer.node for answer in got.values()} == set(nodes)


def test_a_jump_host_that_came_back_is_used_by_the_next_host(servers, bastion):
    jump, at_jump = bastion
    access, _ = servers.start()
    behind = access.behind((jump,))
    with JumpHosts() as jumps:
        probe(behind, deadline=10, jumps=jumps)
        hop = next(iter(jumps._hops.values()))
        hop.transport.close()
        assert probe(behind, deadline=10, jumps=jumps).node == "n1"
    assert at_jump["connections"] == 2


def test_a_pool_closed_early_keeps_the_connections_in_use(servers, bastion):
    jump, at_jump = bastion
    access, _ = servers.start()
    jumps = JumpHosts()
    with open_session(access.behind((jump,)), deadline=10, jumps=jumps) as session:
        jumps.close()
        assert session.run("echo still", deadline=10).stdout == b"still\n"
    assert wait_until(lambda: at_jump["open"] == 0)


def test_a_failed_login_behind_a_jump_host_gives_its_lease_back(servers, bastion, tmp_path):
    jump, _ = bastion
    access, _ = servers.start()
    keyless = replace(access, identity_files=(tmp_path / "none",)).behind((jump,))
    with pytest.raises(Unreachable, match="not let in"):
        probe(keyless, deadline=10)
    assert not any(hop.leases for hop in SHARED._hops.values())
