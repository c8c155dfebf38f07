"""A node in a box: the probe's real text, run by a real shell, on files and tools of a test.

Only places are replaced in the text: /proc and /etc by a folder, the two ports by those of a server
of the test, and the system's PATH by a folder of chosen tools.
"""

import http.server
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from nftwave.node.parse import parse
from nftwave.node.script import script

from .recorded import MARK, output

SHELLS = {
    "dash": ["dash", "-s"],
    "bash": ["bash", "--posix", "-s"],
    "busybox": ["busybox", "sh", "-s"],
}
TOOLS = ("date", "id", "uname", "cut", "awk", "grep", "cat", "timeout", "sed", "ls")
PORTS = ("10249", "10256")
NO_JSON = ("Error: JSON support not compiled-in", 1)
# Written from the recorded shape of service-ips; verdicts as in the Kubernetes 1.36 source.
NO_ENDPOINTS = (
    """{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"map": {"family": "ip", "name":
"no-endpoint-services", "table": "kube-proxy", "elem": [[{"elem": {"val": {"concat":
["10.96.7.7", "tcp", 80]}, "comment": "a/b:http"}}, {"goto": {"target": "reject-chain"}}],
[{"concat": ["10.96.7.8", "udp", 53]}, {"drop": null}]]}}]}""",
    0,
)
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout
   0: 0100007F:2809 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 31000
   1: 0100007F:2809 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 31337
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20000
"""
POD = "kubepods-besteffort-pod3b1d6f0e_8f2a_4c0d_9b57_6f2a1c7e9d10.slice"


def there(name):
    return shutil.which(name) is not None


class KubeProxy(http.server.BaseHTTPRequestHandler):
    """Answers as the recorded kube-proxy did; `server.answers` is path -> (status, body)."""

    def do_GET(self):
        status, body = self.server.answers.get(self.path, (404, "404 page not found\n"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Box:
    def __init__(self, folder: Path):
        self.folder = folder
        self.tools = folder / "bin"
        self.tools.mkdir()
        for name in TOOLS:
            self.real(name)
        (folder / "proc/net").mkdir(parents=True)
        (folder / "proc/sys/net/netfilter").mkdir(parents=True)
        (folder / "etc").mkdir()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), KubeProxy)
        self.server.answers = {}
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.port = self.server.server_address[1]

    def real(self, name):
        # A version manager's python3 is a shell script, which finds no shell in the box.
        found = sys.executable if name == "python3" else shutil.which(name)
        (self.tools / name).symlink_to(Path(found).resolve())

    def tool(self, name, body):
        path = self.tools / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def printing(self, name, cases):
        """A tool that prints a text and exits with a status, by its arguments."""
        rows = []
        for number, (arguments, (text, status)) in enumerate(cases.items()):
            said = self.folder / f"{name}-{number}"
            said.write_text(text)
            rows.append(f"'{arguments}') /bin/cat {said}; exit {status} ;;")
        self.tool(name, 'case "$*" in\n' + "\n".join(rows) + "\nesac\nexit 64")

    def file(self, path, text):
        (self.folder / path).write_text(text)

    def in_state(self, state):
        """Tools and files of a recorded node."""
        ip6 = output(state, "nft-list-table-ip6-kube-proxy.txt")
        self.printing(
            "nft",
            {
                "--version": output(state, "nft-version.txt"),
                "list tables": output(state, "nft-list-tables.txt"),
                "-j list map ip kube-proxy service-ips": output(state, "nft-json-service-ips.txt"),
                "-j list map ip kube-proxy no-endpoint-services": NO_ENDPOINTS,
                "-j list map ip6 kube-proxy service-ips": NO_JSON,
                "-j list map ip6 kube-proxy no-endpoint-services": NO_JSON,
                "list map ip6 kube-proxy service-ips": ip6,
                "list map ip6 kube-proxy no-endpoint-services": ip6,
            },
        )
        self.printing(
            "ip", {"-j addr show kube-ipvs0": output(state, "ip-json-addr-kube-ipvs0.txt")}
        )
        self.file("proc/net/ip_vs", output(state, "proc-net-ip_vs.txt")[0])
        self.file("proc/net/ip_vs_conn", output(state, "proc-net-ip_vs_conn.txt")[0])
        self.file("proc/sys/net/netfilter/nf_conntrack_count", "17\n")
        self.file("proc/sys/net/netfilter/nf_conntrack_max", "262144\n")
        self.listener(held_by="kube-proxy")
        self.printing("iptables-save", {"": output(state, "iptables-save.txt")})
        self.printing("ip6tables-save", {"": output(state, "ip6tables-save.txt")})
        self.file("etc/os-release", output(state, "os-release.txt")[0])
        self.server.answers = {
            "/proxyMode": (200, output(state, "proxyMode.txt")[0]),
            "/metrics": (200, output(state, "metrics.txt")[0]),
            "/healthz": (200, output(state, "healthz.txt")[0].partition("\n\n")[2]),
        }

    def listener(self, *, held_by):
        """A listener on port 10249, and the process whose socket it is."""
        self.file("proc/net/tcp", TCP)
        process = self.folder / "proc/4242"
        (process / "fd").mkdir(parents=True, exist_ok=True)
        (process / "fd/7").unlink(missing_ok=True)
        (process / "fd/7").symlink_to("socket:[31337]")
        (process / "comm").write_text(f"{held_by}\n")
        (process / "cgroup").write_text(f"0::/kubepods.slice/{POD}/cri-containerd-1.scope\n")

    def text(self, reach=()):
        text = script(MARK, reach)
        system = ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
        assert system in text
        text = text.replace(system, "")
        for port in PORTS:
            text = text.replace(port, str(self.port))
        for place in ("/proc/", "/etc/os-release", "/usr/lib/os-release", "/etc/ufw/"):
            text = text.replace(place, f"{self.folder}{place}")
        return text

    def run(self, shell, *, text=None, **environment):
        command = SHELLS[shell]
        return subprocess.run(
            [shutil.which(command[0]), *command[1:]],
            input=(text or self.text()).encode(),
            capture_output=True,
            env={"PATH": str(self.tools), **environment},
            timeout=30,
            check=False,
        )

    def facts(self, shell, reach=(), **environment):
        done = self.run(shell, text=self.text(reach), **environment)
        assert done.stderr == b"", done.stderr.decode()
        return parse(done.stdout, node="n1", mark=MARK)
