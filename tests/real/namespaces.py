"""Nodes made of Linux network namespaces: a real sshd, nft and sudo, kube-proxy's recorded answers.

`ip netns exec` lays the files of /etc/netns/NAME over /etc, so accounts and sudoers lines exist in
a namespace only.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from nftwave.node.host import Access
from tests.node.recorded import RECORDINGS, output

NEEDED = ("sshd", "ip", "nft", "sudo", "ssh-keygen")
SBIN = "/usr/sbin:/sbin:" + os.environ.get("PATH", "")
KUBE_PROXY = Path(__file__).with_name("kubeproxy_answers.py")

SSHD = """\
ListenAddress {address}
Port 22
HostKey {folder}/host
AuthorizedKeysFile {etc}/authorized_keys
StrictModes no
UsePAM no
PidFile none
{extra}
"""


def why_not():
    """Why this machine cannot make such nodes; empty where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if missing := [name for name in NEEDED if shutil.which(name, path=SBIN) is None]:
        return f"not installed: {', '.join(missing)}"
    name = f"nw{os.getpid()}-can"  # tests of several processes ask at the same time
    probe = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return f"no network namespaces: {probe.stderr.decode().strip()}" if probe.returncode else ""


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, **options)


def recorded_ruleset():
    """The recorded ruleset without nft's warnings, which went into the middle of its lines."""
    text = (RECORDINGS / "nftables" / "nft-list-ruleset.txt").read_text()
    body = text.partition("\n")[2].rpartition("# exit status")[0]
    return re.sub(r"# Warning: table .*? do not touch!\n", "", body)


class Node:
    """One namespace with an SSH server; `ops` may become root there, `guest` may not."""

    def __init__(self, name, folder, client_key):
        self.name, self.folder = name, folder
        self.etc = Path("/etc/netns") / name
        self.children = []
        folder.mkdir()
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host")
        self._accounts()
        # sshd reads it as the user who logs in; pytest's folders are root's alone.
        shutil.copy(f"{client_key}.pub", self.etc / "authorized_keys")

    def _accounts(self):
        self.etc.mkdir(parents=True)
        passwd, shadow = Path("/etc/passwd").read_text(), Path("/etc/shadow").read_text()
        for number, user in enumerate(("ops", "guest")):
            passwd += f"{user}:x:{4242 + number}:65534::/tmp:/bin/sh\n"
            shadow += f"{user}:*:19000:0:99999:7:::\n"
        (self.etc / "passwd").write_text(passwd)
        (self.etc / "shadow").write_text(shadow)
        (self.etc / "sudoers").write_text(
            "root ALL=(ALL) ALL\nops ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s\n"
        )
        (self.etc / "sudoers").chmod(0o440)
        (self.etc / "shadow").chmod(0o600)

    def inside(self, *command, **options):
        return subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)

    def loads(self, ruleset):
        run("ip", "netns", "exec", self.name, "nft", "-f", "-", input=ruleset.encode())

    def serves_ssh(self, address, extra=""):
        self.address = address
        config = self.folder / "sshd_config"
        config.write_text(
            SSHD.format(address=address, folder=self.folder, etc=self.etc, extra=extra)
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        server = self.inside(
            shutil.which("sshd", path=SBIN), "-D", "-e", "-f", config, stderr=subprocess.PIPE
        )
        self.children.append(server)
        while b"Server listening" not in (line := server.stderr.readline()):
            assert line, "sshd ended"
        return server

    def answers_as_kube_proxy(self, state):
        answers = {
            "10249/proxyMode": output(state, "proxyMode.txt")[0],
            "10249/metrics": output(state, "metrics.txt")[0],
            "10256/healthz": output(state, "healthz.txt")[0].partition("\n\n")[2],
        }
        file = self.folder / "answers.json"
        file.write_text(json.dumps(answers))
        server = self.inside(sys.executable, KUBE_PROXY, file, stdout=subprocess.PIPE)
        self.children.append(server)
        assert server.stdout.readline() == b"listening\n"

    def public_key(self):
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    def access(self, **changed):
        return Access(**{"node": self.name, "host": self.address, "agent": False} | changed)

    def remove(self):
        for child in self.children:
            child.send_signal(signal.SIGCONT)
            child.terminate()
            child.wait()
        run("ip", "netns", "del", self.name)
        shutil.rmtree(self.etc)
