"""A pod's container, as a command that is run in it sees it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from nftwave.lab.shell.process import Call, Session, find_tool
from nftwave.lab.tools import network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.shell.files import Files
    from nftwave.lab.shell.process import Connection, Process, Tool
    from nftwave.lab.shell.streams import Sink, Source

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The image has no shell and no coreutils (registry.k8s.io/build-image/distroless-iptables).
PROGRAMS = frozenset(
    {
        "conntrack",
        "ip6tables",
        "ip6tables-save",
        "ipset",
        "iptables",
        "iptables-save",
        "nft",
    }
)
WITHOUT_NFT = frozenset({"image-without-nft", "nft-missing"})


class NotInImage(Exception):
    """No such program; the text is containerd's and runc's."""


class Container:
    """A Machine with the image's programs; kube-proxy's shares the node's network and kernel."""

    def __init__(self, node: SimNode, spec: Object) -> None:
        self._node = node
        self._is_kube_proxy = spec["name"] == "kube-proxy"
        self._version = spec["image"].rpartition(":")[2]

    @property
    def hostname(self) -> str:
        """That of the node."""
        return self._node.name

    @property
    def files(self) -> Files:
        """Those of the node: no program of the image shows another's."""
        return self._node.files

    @property
    def processes(self) -> dict[int, Process]:
        """What runs on the node."""
        return self._node.processes

    def next_pid(self) -> int:
        """A pid nobody had."""
        return self._node.next_pid()

    async def connect(self, protocol: str, host: str, port: int) -> Connection:
        """Connect from the node's network. Raises ConnectError."""
        return await self._node.connect(protocol, host, port)

    def lasts(self, seconds: float) -> float:
        """As on the node."""
        return self._node.lasts(seconds)

    def tool(self, path: str) -> Tool | None:
        """The program at an absolute path of the image."""
        directory, _, name = path.rpartition("/")
        if not self._is_kube_proxy:
            return None
        if path == "/usr/local/bin/kube-proxy":
            return self._kube_proxy
        if directory not in {"/usr/sbin", "/sbin"} or name not in PROGRAMS:
            return None
        if name == "nft" and WITHOUT_NFT & self._node.faults:
            return None
        return network.bound(self._node.kernel, network.KERNEL_TOOLS[name])

    async def _kube_proxy(self, call: Call) -> int:
        if call.args != ["--version"]:
            return await call.error("another kube-proxy runs here; only --version is answered")
        await call.out(f"Kubernetes {self._version}\n")
        return 0

    async def run(self, command: Sequence[str], stdin: Source, stdout: Sink, stderr: Sink) -> int:
        """Run one command to its exit status. Raises NotInImage."""
        found = find_tool(self, command[0], PATH)
        tool = self.tool(found) if found else None
        if tool is None:
            raise NotInImage(_not_found(command[0]))
        session = Session(self)
        name = command[0].rpartition("/")[2]
        call = Call(
            session, name, list(command[1:]), {"PATH": PATH}, "/", True, stdin, stdout, stderr
        )
        process = session.start(_ended(tool, call))
        return await process.ended()


async def _ended(tool: Tool, call: Call) -> int:
    return await tool(call)


def _not_found(name: str) -> str:
    why = f"stat {name}: no such file or directory"
    why = why if "/" in name else "executable file not found in $PATH"
    return (
        f'failed to exec in container: failed to start exec "{secrets.token_hex(32)}": '
        "OCI runtime exec failed: exec failed: unable to start container process: "
        f'exec: "{name}": {why}: unknown'
    )
