"""What /proc tells of kube-proxy's processes and the ports that they listen on."""

from __future__ import annotations

import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.kernel import nodefiles
from nftwave.lab.proxy.pages import HEALTH_PORT, METRICS_PORT
from nftwave.lab.shell.files import Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.node.node import SimNode
    from nftwave.lab.shell.files import Show

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    "timeout inode\n"
)
COMMAND = (
    "/usr/local/bin/kube-proxy\0--config=/var/lib/kube-proxy/config.conf\0"
    "--hostname-override={node}\0"
)
LISTENING = "0A"
LOOPBACK, ANY6 = "0100007F", "0" * 32
FD_OF = {METRICS_PORT: 9, HEALTH_PORT: 10}
FIRST_INODE = 20000


@dataclass(frozen=True, slots=True)
class Program:
    """A kube-proxy process, its cgroup, and the ports that it listens on."""

    pid: int
    cgroup: str
    ports: tuple[int, ...]


def programs(node: SimNode) -> Iterator[Program]:
    """The kube-proxy of the pod, and with the fault other-process the one that it meets."""
    proxy = node.proxy
    worker = next((one for one in node.kubelet.pods.values() if one.proxy is proxy), None)
    if proxy is None or worker is None:
        return
    ports = {port for port in FD_OF if proxy.answer(port, "/healthz")}
    if proxy.meets_elder:
        # A container that its runtime has lost sight of goes on, in the cgroup of its pod.
        orphan = str(uuid.uuid5(uuid.NAMESPACE_OID, node.name))
        pid = 900 + zlib.crc32(node.name.encode()) % 1000
        yield Program(pid, _cgroup(orphan, "0" * 64), (METRICS_PORT,))
        ports.discard(METRICS_PORT)
    container = worker.container.container_id.removeprefix("containerd://")
    yield Program(proxy.pid, _cgroup(worker.uid, container), tuple(sorted(ports)))


def _cgroup(pod_uid: str, container: str) -> str:
    """With the systemd driver, for a pod of quality BestEffort."""
    slices = "kubepods.slice/kubepods-besteffort.slice"
    pod = f"kubepods-besteffort-pod{pod_uid.replace('-', '_')}.slice"
    return f"0::/{slices}/{pod}/cri-containerd-{container}.scope\n"


def shown(node: SimNode) -> dict[str, Show]:
    """The node's files, those of its processes among them."""
    found = nodefiles.shown(node.kernel)
    running = list(programs(node))
    found["/proc/net/tcp"] = lambda: _sockets(running, METRICS_PORT, LOOPBACK)
    found["/proc/net/tcp6"] = lambda: _sockets(running, HEALTH_PORT, ANY6)
    for program in running:
        base = f"/proc/{program.pid}"
        found[f"{base}/comm"] = lambda: "kube-proxy\n"
        found[f"{base}/cmdline"] = lambda: COMMAND.format(node=node.name)
        found[f"{base}/cgroup"] = _text(program.cgroup)
        for port in program.ports:
            found[f"{base}/fd/{FD_OF[port]}"] = Link(f"socket:[{inode(port)}]")
    return found


def inode(port: int) -> int:
    """The inode of the socket that listens on a port."""
    return FIRST_INODE + port


def _text(text: str) -> Show:
    return lambda: text


def _sockets(running: list[Program], port: int, address: str) -> str:
    """/proc/net/tcp or tcp6 with the socket that listens on that port."""
    if not any(port in program.ports for program in running):
        return HEAD
    remote = f"{'0' * len(address)}:0000"
    return HEAD + (
        f"   0: {address}:{port:04X} {remote} {LISTENING} 00000000:00000000 00:00000000 00000000"
        f"     0        0 {inode(port)} 1 0000000000000000 100 0 0 10 0\n"
    )
