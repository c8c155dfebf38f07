"""SSH to lab nodes with the clients that are used on real ones."""

from __future__ import annotations

import contextlib
import time

import paramiko
import pytest

NODE = "lab-1-node-1"


@contextlib.contextmanager
def connection(clients, node=NODE, sock=None):
    found = paramiko.SSHClient()
    found.load_host_keys(str(clients.lab.directory / "known_hosts"))
    port = next(
        int(line.split()[1])
        for line in clients.lab.ssh_config.read_text("utf-8").splitlines()
        if line.strip().startswith("Port ")
    )
    found.connect(
        clients.node(node)["address"],
        port=port,
        username="lab",
        allow_agent=False,
        look_for_keys=False,
        key_filename=str(clients.lab.directory / "id_ed25519"),
        sock=sock,
        timeout=10,
    )
    with found:
        yield found


def test_paramiko_runs_a_script_from_standard_input(shared):
    with connection(shared) as client:
        stdin, stdout, stderr = client.exec_command("sudo -n sh -s one 'two three'", timeout=10)
        stdin.write('echo "$2" $(id -u)\necho problem >&2\nexit 7\n')
        stdin.channel.shutdown_write()
        assert stdout.read() == b"two three 0\n"
        assert stderr.read() == b"problem\n"
        assert stdout.channel.recv_exit_status() == 7


def test_output_comes_while_the_command_runs(shared):
    with connection(shared) as client:
        _, stdout, _ = client.exec_command("echo first; sleep 30; echo second", timeout=10)
        began = time.monotonic()
        assert stdout.readline() == "first\n"
        assert time.monotonic() - began < 5


def test_closing_the_channel_ends_what_runs_in_it(shared):
    with connection(shared) as client:
        client.exec_command("sleep 1000", timeout=10)
        _, stdout, _ = client.exec_command("echo $$; sleep 1000 & echo $!; wait", timeout=10)
        pids = [stdout.readline().strip() for _ in range(2)]
        stdout.channel.close()
        shared.until(
            lambda: all(shared.ssh(NODE, f"kill -0 {pid}").returncode == 1 for pid in pids),
            "both have ended",
        )


def test_the_channel_stays_open_while_a_background_job_holds_it(shared):
    with connection(shared) as client:
        _, stdout, _ = client.exec_command("(sleep 0.4; echo late) & echo early", timeout=10)
        assert stdout.read() == b"early\nlate\n"
        began = time.monotonic()
        _, stdout, _ = client.exec_command("sleep 20 >/dev/null 2>&1 & echo free", timeout=10)
        assert stdout.read() == b"free\n"
        assert time.monotonic() - began < 10


def test_large_output_and_large_input_pass(shared):
    with connection(shared) as client:
        _, stdout, _ = client.exec_command("yes 0123456789abcdef | head -n 60000", timeout=20)
        assert len(stdout.read()) == 60000 * 17
        stdin, stdout, _ = client.exec_command("wc -c", timeout=20)
        stdin.write("x" * 300_000)
        stdin.channel.shutdown_write()
        assert stdout.read() == b"300000\n"


def test_a_node_is_a_jump_host_to_the_others(shared):
    target = shared.node("lab-1-node-2")["address"]
    with connection(shared, "lab-1-cp-1") as jump:
        port = jump.get_transport().getpeername()[1]
        channel = jump.get_transport().open_channel(
            "direct-tcpip", (target, port), ("127.0.0.1", 0)
        )
        with connection(shared, "lab-1-node-2", sock=channel) as client:
            _, stdout, _ = client.exec_command("hostname", timeout=10)
            assert stdout.read() == b"lab-1-node-2\n"


def test_nothing_is_forwarded_out_of_the_lab(shared):
    with connection(shared) as client, pytest.raises(paramiko.ChannelException):
        client.get_transport().open_channel("direct-tcpip", ("192.0.2.1", 80), ("127.0.0.1", 0))


def test_the_ports_of_kube_proxy_are_reached_through_a_tunnel(shared):
    with connection(shared) as client:
        channel = client.get_transport().open_channel(
            "direct-tcpip", ("127.0.0.1", 10249), ("127.0.0.1", 0)
        )
        channel.sendall(b"GET /proxyMode HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with channel.makefile("rb") as answer:
            text = answer.read()
    assert text.startswith(b"HTTP/1.1 200 OK\r\n")
    assert text.endswith(b"\r\n\r\nipvs")


def test_another_key_and_another_user_are_refused(shared):
    client = paramiko.SSHClient()
    client.load_host_keys(str(shared.lab.directory / "known_hosts"))
    with connection(shared) as known:
        address = known.get_transport().getpeername()
    with client, pytest.raises(paramiko.AuthenticationException):
        client.connect(
            *address,
            username="lab",
            pkey=paramiko.RSAKey.generate(2048),
            allow_agent=False,
            look_for_keys=False,
        )


def test_the_state_counts_connections_and_commands(start):
    clients = start(nodes=2)
    assert clients.node(NODE)["ssh"] == {"connections": 0, "commands": 0}
    with connection(clients) as client:
        for _ in range(3):
            client.exec_command("true", timeout=10)[1].read()
    assert clients.node(NODE)["ssh"] == {"connections": 1, "commands": 3}
    assert clients.node("lab-1-cp-1")["ssh"] == {"connections": 0, "commands": 0}
