"""A running lab, and the clients that people and programs really use against it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nftwave.lab.launch import running_lab

SPEED = 60


class Clients:
    """kubectl and OpenSSH against one lab."""

    def __init__(self, lab):
        self.lab = lab

    def kubectl(self, *words, check=True, stdin=None):
        program = Path(sys.executable).parent / "kubectl"
        if not program.exists():
            pytest.skip("kubectl is not installed beside Python")
        command = [program, "--kubeconfig", self.lab.kubeconfig("lab-1"), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=60, input=stdin
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def ssh(self, node, *words, stdin=""):
        return subprocess.run(
            ["ssh", "-F", self.lab.ssh_config, "-o", "ConnectTimeout=5", node, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            input=stdin,
        )

    def node(self, name):
        return self.lab.state()["clusters"]["lab-1"]["nodes"][name]

    def nodes(self):
        return self.lab.state()["clusters"]["lab-1"]["nodes"]

    def switch_to(self, mode):
        """Write the mode into the ConfigMap, as the guides do."""
        name = ("-n", "kube-system", "configmap", "kube-proxy")
        text = self.kubectl("get", *name, "-o", "yaml")
        old = "nftables" if mode == "ipvs" else "ipvs"
        self.kubectl("replace", "-f", "-", stdin=text.replace(f"mode: {old}\n", f"mode: {mode}\n"))

    def delete_proxy_of(self, node):
        """Delete the kube-proxy pod of a node; its name before."""
        pod = self.node(node)["kubeProxy"]["pod"]
        self.kubectl("delete", "-n", "kube-system", "pod", pod, "--wait=false")
        return pod

    def until(self, holds, what, seconds=30):
        """Wait until it holds; what it gave."""
        deadline = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            assert time.monotonic() < deadline, f"never: {what}"
            time.sleep(0.02)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Start a lab that lives as long as the tests of the module."""
    with contextlib.ExitStack() as running:

        def one(**shape):
            directory = tmp_path_factory.mktemp("lab")
            return Clients(running.enter_context(running_lab(directory, speed=SPEED, **shape)))

        yield one


@pytest.fixture(scope="module")
def shared(start):
    """A lab that tests look at and leave as it is."""
    return start(nodes=3)


@pytest.fixture
def fresh(tmp_path):
    """A lab of its own for a test that changes it."""
    with running_lab(tmp_path / "lab", nodes=3, speed=SPEED) as lab:
        yield Clients(lab)
