import asyncio
import os
import time
from dataclasses import replace

import pytest

from nftwave.errors import Unreachable
from nftwave.node.connect import open_session
from nftwave.node.facts import NodeFacts
from tests.node.probing import probe


@pytest.fixture
def session(servers):
    access, _ = servers.start()
    with open_session(access, deadline=10) as opened:
        yield opened


def test_one_look_over_ssh_has_facts(servers):
    access, seen = servers.start()
    facts = probe(access, deadline=20)
    assert facts.node == "n1"
    assert facts.kernel == os.uname().release
    assert facts.uid == os.getuid()
    assert seen["connections"] == 1


def test_an_open_session_looks_again_on_the_same_connection(servers):
    access, seen = servers.start()
    with open_session(access, deadline=10) as session:
        assert isinstance(session.probe(deadline=20), NodeFacts)
        assert isinstance(session.probe(deadline=20), NodeFacts)
    assert seen["connections"] == 1


def test_both_outputs_and_the_exit_status_come_back(session):
    output = session.run("echo out; echo err >&2; exit 7", deadline=10)
    assert (output.stdout, output.stderr, output.status) == (b"out\n", b"err\n", 7)


def test_the_script_may_use_its_own_standard_input_and_here_documents(session):
    output = session.run(
        "cat <<'EOF'\n$HOME `x` \\ \"q\"\nEOF\nread -r line || echo none", deadline=10
    )
    assert output.stdout == b'$HOME `x` \\ "q"\nnone\n'


def test_megabytes_on_both_outputs_do_not_block(session):
    script = "head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero"
    output = session.run(script, deadline=20)
    assert (len(output.stdout), len(output.stderr)) == (3_000_000, 3_000_000)


def test_a_script_larger_than_the_window_that_answers_while_it_is_read(session):
    script = f"head -c 2500000 /dev/zero\n: {'x' * 3_000_000}\necho done"
    output = session.run(script, deadline=30)
    assert output.stdout.endswith(b"done\n")


def test_a_command_that_never_reads_its_input_is_still_heard(servers):
    async def deaf(process):
        process.stdout.write(b"no shell for you\n")
        process.exit(1)

    access, _ = servers.start(deaf)
    with open_session(access, deadline=10) as session:
        output = session.run("x" * 5_000_000, deadline=10)
    assert (output.stdout, output.status) == (b"no shell for you\n", 1)


def test_more_than_the_limit_is_not_read(session):
    began = time.monotonic()
    with pytest.raises(Unreachable, match="more than 8 MiB"):
        session.run("while :; do head -c 1000000 /dev/zero; done", deadline=30)
    assert time.monotonic() - began < 15


def test_a_script_that_is_killed_has_no_exit_status_of_its_own(servers):
    async def killed(process):
        process.exit_with_signal("KILL")

    access, _ = servers.start(killed)
    with open_session(access, deadline=10) as session:
        assert session.run("true", deadline=10).status == -1


def test_what_outlives_the_deadline_is_ended_on_the_node_too(session, tmp_path):
    alive = tmp_path / "alive"
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s, while `sh -s` runs"):
        session.run(f"while :; do date +%s.%N >{alive}; sleep 0.05; done", deadline=0.5)
    until = time.monotonic() + 10
    last = None
    while time.monotonic() < until and alive.read_text() != last:
        last = alive.read_text()
        time.sleep(0.3)
    assert alive.read_text() == last


def commands_seen(answer):
    seen = []

    async def serve(process):
        seen.append(process.command)
        await answer(process)

    return serve, seen


def test_the_command_line_is_always_the_same(servers):
    async def ok(process):
        process.exit(0)

    serve, seen = commands_seen(ok)
    access, _ = servers.start(serve)
    for changed in ({}, {"sudo": True}, {"sudo": True, "user": "root"}):
        with open_session(replace(access, **changed), deadline=10) as session:
            session.run("true", deadline=10)
    assert seen == ["sh -s", "sudo -n sh -s", "sh -s"]


@pytest.mark.parametrize(
    "said",
    [
        b"sudo: a password is required\n",
        b"sudo: Ein Passwort ist notwendig\n",
        b"ops is not in the sudoers file.\n",
        b"sudo: sorry, you must have a tty to run sudo\n",
        b"Sorry, user ops is not allowed to execute '/usr/bin/sh -s' as root on n1.\n",
    ],
)
def test_a_sudo_that_refuses_is_named_with_the_line_that_mends_it(servers, said):
    async def refuses(process):
        process.stderr.write(said)
        process.exit(1)

    access, _ = servers.start(refuses)
    with (
        open_session(replace(access, sudo=True), deadline=10) as session,
        pytest.raises(Unreachable, match="sudo refused") as error,
    ):
        session.run("true", deadline=10)
    assert "ops ALL=(root) NOPASSWD: /usr/bin/sh -s" in error.value.next_step
    assert error.value.node == "n1"


def test_a_login_without_a_shell_is_unreachable_with_its_words(servers):
    async def nologin(process):
        process.stdout.write(b"This account is currently not available.\n")
        process.exit(1)

    access, _ = servers.start(nologin)
    with pytest.raises(Unreachable, match="This account is currently not available"):
        probe(access, deadline=10)


def test_a_connection_lost_in_mid_answer_is_unreachable(servers):
    async def dies(process):
        process.stdout.write(b"half an ans")
        await process.stdout.drain()
        process.channel.get_connection().abort()
        await asyncio.sleep(0)

    access, _ = servers.start(dies)
    with (
        open_session(access, deadline=10) as session,
        pytest.raises(Unreachable, match="the connection was lost, while `sh -s` runs"),
    ):
        session.run("true", deadline=10)


def test_a_closed_session_is_unreachable_and_closing_twice_is_harmless(session):
    session.close()
    session.close()
    with pytest.raises(Unreachable):
        session.run("true", deadline=5)
