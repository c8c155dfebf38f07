from dataclasses import dataclass
from pathlib import Path

import pytest

from nftwave.errors import BadInput
from nftwave.node.access import resolve
from nftwave.node.addresses import address_of


@dataclass(frozen=True)
class Ssh:
    """The fleet file's `ssh`, all of it left to the ssh config."""

    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    agent: bool = True
    jump: tuple[str, ...] = ()
    known_hosts: Path | None = None
    sudo: bool = False
    address: str = "InternalIP"
    config: Path | None = None


NODE = {
    "metadata": {"name": "node-1"},
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": "10.0.0.11"},
            {"type": "Hostname", "address": "node-1.local"},
        ]
    },
}


@pytest.fixture
def config(tmp_path):
    folder = tmp_path / ".ssh"
    folder.mkdir()

    def written(text, name="config"):
        (folder / name).write_text(text)
        return folder / name

    return written


@pytest.fixture(autouse=True)
def me(monkeypatch):
    monkeypatch.setenv("LOGNAME", "me")


@pytest.mark.parametrize(
    ("choice", "address"),
    [
        ("InternalIP", "10.0.0.11"),
        ("Hostname", "node-1.local"),
        ("{name}.example.org", "node-1.example.org"),
    ],
)
def test_the_address_is_chosen_by_kind_or_template(choice, address):
    assert address_of(NODE, choice) == address


def test_a_node_without_that_kind_of_address_says_which_it_has():
    with pytest.raises(BadInput, match=r"ExternalIP \(it has: Hostname, InternalIP\)"):
        address_of(NODE, "ExternalIP")
    with pytest.raises(BadInput, match="none at all"):
        address_of({"metadata": {"name": "x"}}, "InternalIP")


@pytest.mark.parametrize("template", ["internalip", "{node}.org", "{name", "{name!r} {0}", ""])
def test_a_template_of_something_else_is_refused(template):
    with pytest.raises(BadInput):
        address_of(NODE, template)


def test_without_any_setting_ssh_has_its_usual_ways(tmp_path):
    access = resolve(Ssh(), NODE)
    assert (access.node, access.host, access.port, access.user) == ("node-1", "10.0.0.11", 22, "me")
    assert tmp_path / ".ssh/known_hosts" in access.known_hosts
    assert Path("/etc/ssh/ssh_known_hosts") in access.known_hosts
    assert access.identity_files == ()
    assert access.jumps == ()


def test_usual_key_files_are_offered_where_they_are(config):
    key = config("x", "id_ed25519")
    assert resolve(Ssh(), NODE).identity_files == (key,)


CONFIG = """
Host 10.0.0.*
    HostName 192.0.2.%h
    Port 2222
    User ops
    IdentityFile ~/.ssh/cluster
    IdentitiesOnly yes
    UserKnownHostsFile ~/.ssh/a ~/.ssh/b
    GlobalKnownHostsFile none
    HostKeyAlias nodes
    ConnectTimeout 7
"""


def test_the_ssh_config_is_honoured(config, tmp_path):
    config(CONFIG)
    access = resolve(Ssh(), NODE)
    assert (access.host, access.port, access.user) == ("192.0.2.10.0.0.11", 2222, "ops")
    assert access.identity_files == (tmp_path / ".ssh/cluster",)
    assert access.identities_only
    assert access.known_hosts == (tmp_path / ".ssh/a", tmp_path / ".ssh/b")
    assert access.host_key_alias == "nodes"
    assert access.connect_timeout == 7


def test_the_fleet_file_wins_over_the_ssh_config(config, tmp_path):
    config(CONFIG)
    mine = Ssh(
        user="root", port=22, identity_file=tmp_path / "mine", known_hosts=tmp_path / "known"
    )
    access = resolve(mine, NODE)
    assert (access.port, access.user) == (22, "root")
    assert access.identity_files == (tmp_path / "mine",)
    assert not access.identities_only
    assert access.known_hosts == (tmp_path / "known",)


def test_another_config_file_can_be_named(config):
    named = config("Host *\n User named\n", "other")
    config("Host *\n User usual\n")
    assert resolve(Ssh(config=named), NODE).user == "named"
    assert resolve(Ssh(), NODE).user == "usual"


def test_a_named_config_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="cannot read it: No such file") as error:
        resolve(Ssh(config=tmp_path / "none"), NODE)
    assert error.value.file == str(tmp_path / "none")


def test_a_changed_config_is_read_again(config):
    config("Host *\n User one\n")
    assert resolve(Ssh(), NODE).user == "one"
    config("Host *\n User another\n")
    assert resolve(Ssh(), NODE).user == "another"


def test_includes_are_read_in_place(config, tmp_path):
    config("Host 10.0.0.11\n User from-include\n", "config.d-1")
    config("Include config.d-* ~/.ssh/none\nHost *\n User late\n Port 2200\n")
    access = resolve(Ssh(), NODE)
    assert (access.user, access.port) == ("from-include", 2200)
    assert tmp_path


def test_an_include_within_a_block_belongs_to_that_block(config):
    config("User included\n", "plain")
    config("Host other\n Include plain\nHost *\n User mine\n")
    assert resolve(Ssh(), NODE).user == "mine"


def test_blocks_included_within_a_block_are_refused_with_the_place(config):
    config("Host *\n User x\n", "blocks")
    path = config("Host other\n Include blocks\n")
    with pytest.raises(BadInput, match="inside a Host block") as error:
        resolve(Ssh(), NODE)
    assert error.value.file == f"{path}:2"


def test_a_file_that_includes_itself_ends(config):
    config("Include config\n")
    with pytest.raises(BadInput, match="nested too deeply"):
        resolve(Ssh(), NODE)


@pytest.mark.parametrize(
    "match",
    [
        'Match exec "touch {file}"',
        'Match host 10.0.0.11 exec "touch {file}"',
        'Match exec="touch {file}"',
        'match !exec "touch {file}"',
    ],
)
def test_match_exec_runs_nothing_and_does_not_apply(config, tmp_path, match):
    file = tmp_path / "ran"
    config(f"{match.format(file=file)}\n User surprise\nHost *\n User calm\n")
    assert resolve(Ssh(), NODE).user == "calm"
    assert not file.exists()


def test_other_matches_apply(config):
    config("Match host 10.0.0.* user ops\n Port 2222\n")
    assert resolve(Ssh(), NODE).port == 22
    config("Match host 10.0.0.*\n Port 2222\n")
    assert resolve(Ssh(), NODE).port == 2222


def test_a_proxy_command_is_refused_where_it_applies(config):
    config("Host other\n ProxyCommand nc %h %p\n")
    resolve(Ssh(), NODE)
    config("Host 10.*\n ProxyCommand nc %h %p\n")
    with pytest.raises(BadInput, match="ProxyCommand, which nftwave does not run") as error:
        resolve(Ssh(), NODE)
    assert "ProxyJump" in error.value.next_step


def test_a_config_that_makes_no_sense_is_bad_input_with_its_file(config):
    path = config("Match nonsense\n User x\n")
    with pytest.raises(BadInput) as error:
        resolve(Ssh(), NODE)
    assert error.value.file == str(path)


def jumps(access):
    return [str(jump) for jump in access.jumps]


def test_jump_hosts_of_the_fleet_file_win_and_have_their_own_settings(config):
    config(
        "Host bastion\n HostName 192.0.2.1\n User gate\n Port 2200\n"
        "Host 10.*\n ProxyJump elsewhere\n User ops\n"
    )
    access = resolve(Ssh(jump=("bastion", "me@[fd00::1]:22022")), NODE)
    assert jumps(access) == ["gate@192.0.2.1:2200", "me@[fd00::1]:22022"]
    assert access.user == "ops"
    assert [jump.node for jump in access.jumps] == ["bastion", "fd00::1"]


def test_proxy_jump_of_the_ssh_config_makes_a_chain(config):
    config("Host 10.*\n ProxyJump inner\nHost inner\n ProxyJump u@outer:23\n")
    assert jumps(resolve(Ssh(), NODE)) == ["u@outer:23", "me@inner:22"]
    config("Host 10.*\n ProxyJump a,b\nHost b\n ProxyJump never\n")
    assert jumps(resolve(Ssh(), NODE)) == ["me@a:22", "me@b:22"]
    config("Host 10.*\n ProxyJump none\nHost *\n ProxyJump bastion\n")
    assert jumps(resolve(Ssh(), NODE)) == []


def test_jump_hosts_in_a_circle_are_refused(config):
    config("Host *\n ProxyJump bastion\n")
    with pytest.raises(BadInput, match="in a circle: bastion -> bastion"):
        resolve(Ssh(), NODE)


@pytest.mark.parametrize("jump", ["", "a b@", "host:port", "host:0", "host:70000", "u@h:1:2"])
def test_a_spoilt_jump_host_is_refused(jump):
    with pytest.raises(BadInput):
        resolve(Ssh(jump=(jump,)), NODE)
