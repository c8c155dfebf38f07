"""Servers that stop at each stage: every one ends in time, and the reason names the stage."""

import asyncio
import socket
import threading
import time

import asyncssh
import pytest

from nftwave.errors import Unreachable
from nftwave.node.connect import open_session
from nftwave.node.deadline import Deadline
from tests.node.probing import probe

from .sshservers import HOST, raw

DEADLINE = 0.6
TOLERANCE = 2.0  # seconds: paramiko's threads look around each 0.1 s, and the machine is shared


def reason(work):
    began = time.monotonic()
    with pytest.raises(Unreachable) as error:
        work()
    assert time.monotonic() - began < DEADLINE + TOLERANCE
    return str(error.value)


def silent(connection):
    threading.Event().wait(20)
    connection.close()


def banner_only(connection):
    connection.sendall(b"SSH-2.0-stopped\r\n")
    silent(connection)


def test_nothing_listens(servers):
    with socket.socket() as free:
        free.bind((HOST, 0))
        access = servers.access(free.getsockname()[1])
        assert "connection refused" in reason(lambda: probe(access, deadline=DEADLINE))


def test_a_full_backlog_times_out_connecting(servers):
    with socket.socket() as full:
        full.bind((HOST, 0))
        full.listen(0)
        filling = []
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
            filling.append(waiting)
        access = servers.access(full.getsockname()[1])
        said = reason(lambda: probe(access, deadline=DEADLINE))
        for waiting in filling:
            waiting.close()
    assert f"no answer within {DEADLINE} s, while connecting (TCP)" in said


def test_no_such_name(servers):
    access = servers.access(22, host="node.invalid")
    assert "no such host name" in reason(lambda: probe(access, deadline=DEADLINE))


def test_a_server_that_accepts_and_says_nothing(servers):
    with raw(silent) as port:
        said = reason(lambda: probe(servers.access(port), deadline=DEADLINE))
    assert f"no answer within {DEADLINE} s, while waiting for its SSH banner" in said


def test_a_server_that_stops_after_its_banner(servers):
    with raw(banner_only) as port:
        said = reason(lambda: probe(servers.access(port), deadline=DEADLINE))
    assert f"no answer within {DEADLINE} s, while exchanging keys" in said


def test_something_that_is_no_ssh_server(servers):
    def web(connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with raw(web) as port:
        said = reason(lambda: probe(servers.access(port), deadline=DEADLINE))
    assert "before its SSH banner" in said


def test_a_server_that_never_answers_a_login(servers):
    class Stuck(asyncssh.SSHServer):
        async def begin_auth(self, _):
            await asyncio.sleep(20)
            return True

    listening = servers.loop.run(
        asyncssh.create_server(Stuck, HOST, 0, server_host_keys=[servers.keys.host])
    )
    servers.started.append(listening)
    access = servers.access(listening.get_port())
    servers.know(access.port, servers.keys.host)
    said = reason(lambda: probe(access, deadline=DEADLINE))
    assert f"no answer within {DEADLINE} s, while logging in as ops" in said


def test_a_command_that_never_answers(servers):
    async def stuck(_):
        await asyncio.sleep(20)

    access, _ = servers.start(stuck)
    with open_session(access, deadline=10) as session:
        said = reason(lambda: session.probe(deadline=DEADLINE))
    assert f"no answer within {DEADLINE} s, while `sh -s` runs" in said


def test_output_that_stops_in_the_middle(servers):
    async def half(process):
        process.stdout.write(b"@@")
        await asyncio.sleep(20)

    access, _ = servers.start(half)
    with open_session(access, deadline=10) as session:
        said = reason(lambda: session.probe(deadline=DEADLINE))
    assert "while `sh -s` runs" in said


def test_an_end_of_output_without_an_end(servers):
    async def endless(process):
        process.stdout.write(b"all said")
        process.channel.write_eof()
        await asyncio.sleep(20)

    access, _ = servers.start(endless)
    with open_session(access, deadline=10) as session:
        assert "while `sh -s` runs" in reason(lambda: session.run("true", deadline=DEADLINE))


def test_a_session_that_is_refused(servers):
    class NoSessions(asyncssh.SSHServer):
        def session_requested(self):
            return False

    listening = servers.loop.run(
        asyncssh.create_server(
            NoSessions,
            HOST,
            0,
            server_host_keys=[servers.keys.host],
            authorized_client_keys=str(servers.keys.folder / "id_ed25519.pub"),
        )
    )
    servers.started.append(listening)
    access = servers.access(listening.get_port())
    servers.know(access.port, servers.keys.host)
    assert "while opening a session (logged in)" in reason(lambda: probe(access, deadline=5))


def test_a_server_that_drops_a_burst_before_its_banner_is_tried_again(servers):
    access, seen = servers.start()
    dropped = []

    def relay(connection):
        if len(dropped) < 2:
            dropped.append(1)
            connection.close()
            return
        through = socket.create_connection((HOST, access.port))
        for source, sink in ((connection, through), (through, connection)):
            threading.Thread(target=pump, args=(source, sink), daemon=True).start()

    with raw(relay) as port:
        servers.know(port, servers.keys.host)
        facts = probe(servers.access(port), deadline=20)
    assert facts.node == "n1"
    assert len(dropped) == 2
    assert seen["connections"] == 1


def pump(source, sink):
    while chunk := source.recv(65536):
        sink.sendall(chunk)
    sink.close()


def test_a_server_that_always_drops_is_given_up_within_the_deadline(servers):
    tries = []

    def drop(connection):
        tries.append(1)
        connection.close()

    with raw(drop) as port:
        said = reason(lambda: probe(servers.access(port), deadline=DEADLINE))
    assert "hung up before its SSH banner" in said
    assert len(tries) >= 2


def test_a_connect_timeout_of_the_ssh_config_ends_earlier_than_the_deadline(servers):
    with raw(silent) as port:
        access = servers.access(port, connect_timeout=0.3)
        assert "no answer within 0.3 s" in reason(lambda: probe(access, deadline=30))


class Thing:
    def __init__(self):
        self.closed = threading.Event()

    def close(self):
        self.closed.set()


def test_a_deadline_closes_what_it_guards_and_only_that():
    guarded, done = Thing(), Thing()
    deadline = Deadline(0.05)
    with deadline.closes(done):
        pass
    with deadline.closes(guarded):
        assert guarded.closed.wait(5)
    assert deadline.expired
    assert not done.closed.is_set()


def test_expiring_a_deadline_closes_at_once():
    guarded = Thing()
    deadline = Deadline(60)
    with deadline.closes(guarded):
        deadline.expire()
        assert guarded.closed.is_set()
        assert deadline.remaining() == 0
