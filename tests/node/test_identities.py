import shutil
import subprocess
from dataclasses import replace

import asyncssh
import pytest

from nftwave.errors import Unreachable
from tests.node.probing import probe

needs_agent = pytest.mark.skipif(
    shutil.which("ssh-agent") is None, reason="ssh-agent is not installed"
)


@pytest.fixture
def agent(tmp_path, monkeypatch):
    """A real ssh-agent; adds keys by file."""
    path = tmp_path / "agent.sock"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    process.stdout.readline()
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    yield lambda file: subprocess.run(["ssh-add", "-q", file], check=True)
    process.terminate()
    process.wait()


def stranger(folder, name="stranger", **written):
    key = asyncssh.generate_private_key("ssh-ed25519", comment=f"{name}@laptop")
    key.write_private_key(folder / name, **written)
    key.write_public_key(folder / f"{name}.pub")
    (folder / name).chmod(0o600)
    return folder / name


def refusal(access):
    with pytest.raises(Unreachable) as error:
        probe(access, deadline=10)
    return str(error.value)


def test_a_wrong_key_is_named_and_what_the_server_asks_for(servers, tmp_path):
    access, _ = servers.start()
    file = stranger(tmp_path)
    said = refusal(replace(access, identity_files=(file,)))
    assert "not let in as ops" in said
    assert f"tried {file}" in said
    assert "PRIVATE" not in said


def test_the_second_key_file_is_tried_too(servers, tmp_path):
    access, _ = servers.start()
    files = (stranger(tmp_path), *access.identity_files)
    assert probe(replace(access, identity_files=files), deadline=20).node == "n1"


def test_no_key_at_all_is_said(servers):
    access, _ = servers.start()
    assert "there was no key to try" in refusal(replace(access, identity_files=()))


def test_a_missing_key_file_is_said(servers, tmp_path):
    access, _ = servers.start()
    said = refusal(replace(access, identity_files=(tmp_path / "none",)))
    assert f"{tmp_path / 'none'}: No such file or directory" in said


def test_an_encrypted_key_without_an_agent_names_the_agent(servers, tmp_path):
    access, _ = servers.start()
    file = stranger(tmp_path, passphrase="x")  # noqa: S106 - guards nothing
    said = refusal(replace(access, identity_files=(file,)))
    assert f"{file}: is encrypted: add it to an SSH agent (ssh-add)" in said


def test_a_file_that_is_no_key_is_said(servers, tmp_path):
    access, _ = servers.start()
    (tmp_path / "text").write_text("not a key\n")
    assert "not a private key that can be used" in refusal(
        replace(access, identity_files=(tmp_path / "text",))
    )


def test_a_server_that_asks_for_passwords_only_is_understood(servers):
    class Password(asyncssh.SSHServer):
        def begin_auth(self, _):
            return True

        def password_auth_supported(self):
            return True

    listening = servers.loop.run(
        asyncssh.create_server(Password, "127.0.0.1", 0, server_host_keys=[servers.keys.host])
    )
    servers.started.append(listening)
    access = servers.access(listening.get_port())
    servers.know(access.port, servers.keys.host)
    assert "the server then asks for" in refusal(access)


@needs_agent
def test_a_key_in_the_agent_is_enough(servers, agent):
    agent(servers.keys.identity)
    access, _ = servers.start()
    assert probe(replace(access, agent=True, identity_files=()), deadline=20).node == "n1"


@needs_agent
def test_an_agent_full_of_other_keys_does_not_use_up_the_tries(servers, agent, tmp_path):
    for number in range(8):
        agent(stranger(tmp_path, f"key{number}"))
    agent(servers.keys.identity)
    access, _ = servers.start()
    assert probe(replace(access, agent=True), deadline=20).node == "n1"


@needs_agent
def test_only_the_named_identity_of_the_agent_is_offered_when_asked_so(servers, agent, tmp_path):
    agent(servers.keys.identity)
    access, _ = servers.start()
    file = stranger(tmp_path)
    only = replace(access, agent=True, identities_only=True, identity_files=(file,))
    said = refusal(only)
    assert str(file) in said
    assert "(agent)" not in said


@needs_agent
def test_an_agent_is_not_asked_when_it_is_switched_off(servers, agent):
    agent(servers.keys.identity)
    access, _ = servers.start()
    assert "no key to try" in refusal(replace(access, agent=False, identity_files=()))


@needs_agent
def test_a_refused_agent_key_is_named_by_comment_and_fingerprint(servers, agent, tmp_path):
    agent(stranger(tmp_path))
    access, _ = servers.start()
    said = refusal(replace(access, agent=True, identity_files=()))
    assert "stranger@laptop SHA256:" in said
    assert "(agent)" in said


def test_a_server_that_hangs_up_after_each_wrong_key_is_asked_again_with_the_next(
    servers, tmp_path
):
    access, seen = servers.start()
    wrong = tuple(stranger(tmp_path, f"key{number}") for number in range(3))
    assert probe(replace(access, identity_files=(*wrong, *access.identity_files)), deadline=20)
    assert seen["connections"] <= 4
    said = refusal(replace(access, identity_files=wrong))
    assert all(str(file) in said for file in wrong)
