"""`nftwave lab`: the process, its folder, its command line."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap

import pytest
import yaml
from typer.testing import CliRunner

from nftwave.lab.cli import app
from nftwave.lab.faults import FAULTS
from nftwave.lab.launch import Lab, running_lab


def lab(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def directory(tmp_path):
    yield tmp_path / "the lab"
    lab("down", "--dir", tmp_path / "the lab")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_of(directory):
    return json.loads((directory / "lab.json").read_text("utf-8"))["pid"]


def test_up_prints_commands_that_work_and_down_leaves_nothing_running(directory):
    up = lab("up", "--nodes", 2, "--dir", directory)
    assert up.exit_code == 0, up.output
    assert "nftwave lab down" in up.output
    pid = pid_of(directory)
    state = json.loads(lab("state", "-o", "json", "--dir", directory).output)
    assert set(state["clusters"]["lab-1"]["nodes"]) == {"lab-1-cp-1", "lab-1-node-1"}
    ssh = subprocess.run(
        ["ssh", "-F", directory / "ssh_config", "lab-1-node-1", "sudo", "nft", "list", "tables"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )
    assert "table ip filter" in ssh.stdout
    assert lab("down", "--dir", directory).exit_code == 0
    assert not is_alive(pid)
    assert "No lab runs" in lab("down", "--dir", directory).output


def test_up_again_is_fine_for_the_same_lab_and_refused_for_another(directory):
    lab("up", "--nodes", 2, "--dir", directory)
    pid = pid_of(directory)
    again = lab("up", "--nodes", 2, "--dir", directory)
    assert (again.exit_code, pid_of(directory)) == (0, pid)
    assert "runs already" in again.output
    other = lab("up", "--nodes", 3, "--dir", directory)
    assert other.exit_code == 2
    assert "nftwave lab down" in other.output


def test_a_lab_that_was_killed_is_started_anew(directory):
    lab("up", "--nodes", 1, "--dir", directory)
    old = pid_of(directory)
    os.kill(old, 9)
    up = lab("up", "--nodes", 1, "--dir", directory)
    assert up.exit_code == 0, up.output
    assert pid_of(directory) != old


def test_the_folder_holds_what_is_needed_and_secrets_are_private(directory):
    lab("up", "--clusters", 2, "--nodes", 1, "--dir", directory)
    fleet = yaml.safe_load((directory / "fleet.yaml").read_text("utf-8"))
    assert [one["name"] for one in fleet["clusters"]] == ["lab-1", "lab-2"]
    for one in fleet["clusters"]:
        assert (directory / one["kubeconfig"]).exists()
    for key in ("identity_file", "known_hosts"):
        assert (directory / fleet["ssh"][key]).exists()
    for name in ("id_ed25519", "lab-1.kubeconfig", "lab-2.kubeconfig", "lab.json"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600


def test_faults_come_and_go_from_the_command_line(directory):
    up = lab("up", "--nodes", 2, "--fault", "lab-1-node-1=old-kernel", "--dir", directory)
    assert up.exit_code == 0, up.output
    assert lab("fault", "lab-1", "lab-1-cp-1", "slow-sync", "--dir", directory).exit_code == 0
    table = lab("state", "--dir", directory).output.splitlines()
    assert table[0].split()[:3] == ["CLUSTER", "NODE", "MODE"]
    assert ["slow-sync" in table[1], "old-kernel" in table[2]] == [True, True]
    assert lab("clear", "lab-1", "lab-1-node-1", "--dir", directory).exit_code == 0
    nodes = Lab(directory).state()["clusters"]["lab-1"]["nodes"]
    assert [one["faults"] for one in nodes.values()] == [["slow-sync"], []]
    wrong = lab("fault", "lab-1", "lab-1-cp-1", "nonsense", "--dir", directory)
    assert (wrong.exit_code, "there are" in wrong.output) == (2, True)


def test_a_mistake_in_a_fault_of_the_start_is_said_before_anything_runs(directory):
    for given in ("nonsense", "lab-1-node-1=nonsense", "lab-1-node-7=slow-sync"):
        up = lab("up", "--nodes", 2, "--fault", given, "--dir", directory)
        assert up.exit_code == 2
        assert "Traceback" not in up.output
    assert not (directory / "lab.json").exists()


def test_faults_lists_each_with_one_line():
    lines = lab("faults").output.splitlines()
    assert len(lines) == len(FAULTS)
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines)


def test_several_labs_run_at_once(tmp_path):
    with (
        running_lab(tmp_path / "a", nodes=1) as first,
        running_lab(tmp_path / "b", nodes=1) as second,
    ):
        urls = {one.state()["clusters"]["lab-1"]["api"]["url"] for one in (first, second)}
    assert len(urls) == 2


def test_a_lab_ends_with_the_process_that_it_was_made_for(tmp_path):
    script = textwrap.dedent(f"""
        import os, pathlib
        from nftwave.lab.launch import running_lab
        with running_lab(pathlib.Path({str(tmp_path)!r}), nodes=1):
            os._exit(0)
    """)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
    # The state file goes last.
    for _ in range(500):
        if not (tmp_path / "lab.json").exists():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    assert not (tmp_path / "lab.json").exists()


def test_help_imports_neither_servers_nor_cryptography():
    script = textwrap.dedent("""
        import sys
        import nftwave.lab.cli, nftwave.lab.launch
        heavy = {"aiohttp", "asyncssh", "cryptography", "kubernetes"} & set(sys.modules)
        sys.exit(str(heavy) if heavy else 0)
    """)
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
