import base64
import hashlib
import hmac
import shutil
import subprocess

import pytest

from nftwave.errors import Unreachable
from nftwave.node.host import Access
from nftwave.node.hostkey import verify
from nftwave.node.knownhosts import algorithms, fingerprint, known_keys
from tests.node.probing import probe

from .sshservers import HOST, public


def blob(key):
    return key.public_data


@pytest.fixture
def lines(tmp_path):
    def written(*text, host="n1.example.org", port=22, name="known_hosts", **changed):
        file = tmp_path / name
        file.write_text("\n".join(text) + "\n")
        return Access("n1", host, port, known_hosts=(file,), **changed)

    return written


@pytest.mark.parametrize(
    ("names", "host", "port", "found"),
    [
        ("n1.example.org", "n1.example.org", 22, True),
        ("N1.Example.ORG", "n1.example.org", 22, True),
        ("n1.example.org", "N1.EXAMPLE.org", 22, True),
        ("a,n1.example.org,10.0.0.1", "10.0.0.1", 22, True),
        ("*.example.org", "n1.example.org", 22, True),
        ("n?.example.org", "n1.example.org", 22, True),
        ("*.example.org,!n1.example.org", "n1.example.org", 22, False),
        ("[n1.example.org]:2222", "n1.example.org", 2222, True),
        ("[n1.example.org]:2222", "n1.example.org", 22, False),
        ("[n1.example.org]:2222", "n1.example.org", 2223, False),
        # ssh falls back to the bare name where no line has the port.
        ("n1.example.org", "n1.example.org", 2222, True),
        ("[*.example.org]:2222", "n1.example.org", 2222, True),
        ("fd00::1", "fd00::1", 22, True),
        ("[fd00::1]:2222", "fd00::1", 2222, True),
        ("n11.example.org", "n1.example.org", 22, False),
    ],
)
def test_a_line_speaks_of_a_host_as_ssh_reads_it(lines, keys, names, host, port, found):
    access = lines(f"{names} {public(keys.host)}", host=host, port=port)
    assert bool(known_keys(access)) is found


def hashed(name, salt=b"0123456789abcdefghij"):
    digest = hmac.digest(salt, name.encode(), hashlib.sha1)
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


@pytest.mark.parametrize(("host", "port"), [("n1.example.org", 22), ("n1.example.org", 2222)])
def test_hashed_names_are_found(lines, keys, host, port):
    name = host if port == 22 else f"[{host}]:{port}"
    access = lines(
        f"{hashed('other')} {public(keys.host)}",
        f"{hashed(name)} {public(keys.host)}",
        host=host,
        port=port,
    )
    assert [key.place.rpartition(":")[2] for key in known_keys(access)] == ["2"]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_file_hashed_by_ssh_keygen_is_read(lines, keys):
    access = lines(f"[n1.example.org]:2222 {public(keys.host)}", port=2222)
    file = access.known_hosts[0]
    subprocess.run(["ssh-keygen", "-Hf", file], check=True, capture_output=True)
    assert "n1.example.org" not in file.read_text()
    assert [key.blob for key in known_keys(access)] == [blob(keys.host)]


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_fingerprints_are_those_of_ssh_keygen(keys):
    done = subprocess.run(
        ["ssh-keygen", "-lf", keys.folder / "host.pub"], check=True, capture_output=True, text=True
    )
    assert fingerprint(blob(keys.host)) in done.stdout


def test_an_alias_is_looked_up_without_a_port(lines, keys):
    access = lines(f"node-1 {public(keys.host)}", port=2222, host_key_alias="node-1")
    assert known_keys(access)


def test_comments_blank_and_spoilt_lines_do_no_harm(lines, keys):
    access = lines(
        "",
        "# n1.example.org ssh-ed25519 AAAA",
        "n1.example.org",
        "x y z",
        "n1.example.org ssh-ed25519 !!!",
        "|1|x|y ssh-ed25519 AAAA",
        f"n1.example.org {public(keys.host)}",
    )
    assert [key.blob for key in known_keys(access)] == [blob(keys.host)]


def test_a_missing_file_is_an_empty_one_but_an_unreadable_one_is_told(tmp_path):
    assert known_keys(Access("n1", "h", known_hosts=(tmp_path / "none",))) == ()
    with pytest.raises(Unreachable, match="cannot read"):
        known_keys(Access("n1", "h", known_hosts=(tmp_path,)))


def refusal(access, key):
    with pytest.raises(Unreachable) as error:
        verify(access, known_keys(access), key.algorithm.decode(), blob(key))
    return error.value


def test_the_known_key_passes(lines, keys):
    access = lines(f"n1.example.org {public(keys.host)}")
    verify(access, known_keys(access), "ssh-ed25519", blob(keys.host))


def test_a_changed_key_names_both_fingerprints_and_the_line(lines, keys):
    access = lines("# first", f"n1.example.org {public(keys.host)}")
    error = refusal(access, keys.other_host)
    assert "has changed" in error.what
    assert fingerprint(blob(keys.other_host)) in error.what
    assert f"{fingerprint(blob(keys.host))} ({access.known_hosts[0]}:2)" in error.what
    assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in error.next_step
    assert error.unchanged


def test_an_unknown_key_says_where_it_was_looked_for_and_how_to_check_it(lines, keys):
    access = lines("", port=2222)
    error = refusal(access, keys.host)
    assert "is not known" in error.what
    assert str(access.known_hosts[0]) in error.what
    assert "compare" in error.next_step
    assert "ssh-keyscan -t ed25519 -p 2222 n1.example.org" in error.next_step
    assert access.known_hosts[0].read_text() == "\n"


def test_a_revoked_key_is_refused_though_another_line_has_it(lines, keys):
    access = lines(
        f"n1.example.org {public(keys.host)}", f"@revoked n1.example.org {public(keys.host)}"
    )
    assert "revoked" in refusal(access, keys.host).what


def test_an_authority_is_not_taken_for_a_host_key(lines, keys):
    access = lines(f"@cert-authority *.example.org {public(keys.host)}")
    assert "certificates are not checked" in refusal(access, keys.host).what


def test_the_kinds_that_are_known_are_asked_for_first(lines, keys):
    access = lines(f"n1.example.org {public(keys.ecdsa_host)}", "n1.example.org ssh-rsa AAAA")
    offered = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert algorithms(known_keys(access), offered) == (
        "ecdsa-sha2-nistp256",
        "rsa-sha2-512",
        "rsa-sha2-256",
        "ssh-ed25519",
    )


def test_a_server_with_two_keys_of_which_one_is_known_is_let_through(servers, keys):
    both = [keys.host, keys.ecdsa_host]
    for known in both:
        access, _ = servers.start(host_keys=both, known=[known])
        assert probe(access, deadline=20).node == "n1"


def test_a_changed_key_ends_before_a_login_is_tried(servers, keys):
    access, _ = servers.start(host_keys=[keys.other_host], known=[keys.host])
    before = servers.known_hosts.read_text()
    with pytest.raises(Unreachable, match="has changed"):
        probe(access, deadline=10)
    assert servers.known_hosts.read_text() == before


def test_an_unknown_key_is_never_added(servers):
    access, _ = servers.start(known=[])
    with pytest.raises(Unreachable, match=f"{HOST}:{access.port} is not known"):
        probe(access, deadline=10)
    assert not servers.known_hosts.exists()


def test_several_files_are_read(servers, tmp_path):
    access, _ = servers.start()
    empty = tmp_path / "first"
    empty.write_text("")
    both = servers.access(access.port, known_hosts=(empty, servers.known_hosts))
    assert probe(both, deadline=20).node == "n1"


def test_a_file_that_changes_is_read_again(lines, keys):
    access = lines(f"n1.example.org {public(keys.host)}")
    assert known_keys(access)
    lines("other ssh-ed25519 AAAA")
    assert not known_keys(access)
