"""One simulated node: kernel, kubelet, files, programs."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from nftwave.lab.kernel import nodefiles
from nftwave.lab.kernel.interfaces import interfaces
from nftwave.lab.kernel.kernel import OLD_RELEASE, RELEASE, Kernel
from nftwave.lab.node import procfiles
from nftwave.lab.node.dialling import dial
from nftwave.lab.node.kubelet import Kubelet
from nftwave.lab.shell.files import Files
from nftwave.lab.tools import (
    awk,
    characters,
    http,
    launchers,
    netcat,
    network,
    patterns,
    sed,
    system,
    text,
    units,
)

if TYPE_CHECKING:
    from nftwave.lab.kernel.services import ServiceTable
    from nftwave.lab.pace import Pace
    from nftwave.lab.proxy.kubeproxy import KubeProxy
    from nftwave.lab.shell.process import Connection, Process, Tool
    from nftwave.lab.store.store import Store
    from nftwave.lab.tools.answers import Answer

COMMON: dict[str, Tool] = {
    name: tool
    for module in (text, characters, patterns, sed, awk, system, launchers, http, netcat, units)
    for name, tool in module.TOOLS.items()
}
# Debian keeps these where the PATH of an ordinary user's SSH command does not look.
IN_SBIN = frozenset(network.KERNEL_TOOLS) - {"ip", "lsmod", "ss", "uname"}
FIRST_PID = 2000


class SimNode:
    """A node. It is a Machine for the shell."""

    def __init__(
        self,
        name: str,
        address: str,
        pod_cidr: str,
        *,
        services: ServiceTable,
        store: Store,
        pace: Pace,
        version: str,
    ) -> None:
        self.name = name
        self.address = address
        self.pace = pace
        self.faults: set[str] = set()
        self.kernel = Kernel(name, address, pod_cidr, services, self.faults)
        self.kubelet = Kubelet(self, store, version)
        self.proxy: KubeProxy | None = None
        self.processes: dict[int, Process] = {}
        self._pid = FIRST_PID
        self.files = Files(lambda: procfiles.shown(self), nodefiles.is_root_only)
        self.ssh_connections = 0
        self.ssh_commands = 0

    @property
    def pod_network(self) -> ipaddress.IPv4Network:
        """The addresses of its pods."""
        return ipaddress.IPv4Network(self.kernel.pod_cidr)

    @property
    def hostname(self) -> str:
        """The node's name."""
        return self.name

    def next_pid(self) -> int:
        """A pid nobody had."""
        self._pid += 1
        return self._pid

    def tool(self, path: str) -> Tool | None:
        """The program at an absolute path."""
        directory, _, name = path.removeprefix("/usr").rpartition("/")
        homes = {"/sbin"} if name in IN_SBIN else {"/bin", "/sbin"} if name == "ip" else {"/bin"}
        if directory not in homes or (name == "nft" and "nft-missing" in self.faults):
            return None
        if name in network.KERNEL_TOOLS:
            return network.bound(self.kernel, network.KERNEL_TOOLS[name])
        return COMMON.get(name)

    async def connect(self, protocol: str, host: str, port: int) -> Connection:
        """Connect by `tcp` or `udp`. Raises ConnectError."""
        return await dial(self, protocol, host, port)

    def lasts(self, seconds: float) -> float:
        """How long so many seconds of the node last here."""
        return self.pace.lasts(seconds)

    def answer(self, port: int, path: str) -> Answer | None:
        """What a GET to a port of the node is answered; None: nobody listens."""
        return self.proxy.answer(port, path) if self.proxy else None

    def set_old_kernel(self, *, old: bool) -> None:
        """Boot another kernel, in a moment that nobody notices."""
        self.kernel.release = OLD_RELEASE if old else RELEASE

    def as_json(self) -> dict[str, Any]:
        """The truth about this node, for tests to look at."""
        kernel = self.kernel
        tables = kernel.tables()
        service_ips = {
            one.family: [
                " . ".join(map(str, element.key))
                for collection in one.collections
                if collection.name == "service-ips"
                for element in collection.elements
            ]
            for one in tables
            if one.name == "kube-proxy"
        }
        return {
            "address": self.address,
            "mode": self.proxy.mode if self.proxy else None,
            "kernel": kernel.release,
            "tables": [one.key for one in tables],
            "serviceIps": service_ips,
            "virtualServers": [one.as_json() for one in kernel.virtual_servers()],
            "interfaces": [one.name for one in interfaces(kernel)],
            "connections": len(kernel.ipvs_connections()),
            "kubeProxy": self._kube_proxy_json(),
            "ssh": {"connections": self.ssh_connections, "commands": self.ssh_commands},
            "faults": sorted(self.faults),
        }

    def _kube_proxy_json(self) -> dict[str, Any] | None:
        workers = [one for one in self.kubelet.pods.values() if one.proxy]
        if not workers:
            return None
        worker = workers[-1]
        state, detail = next(iter(worker.container.state.items()))
        return {
            "pod": worker.name,
            "uid": worker.uid,
            "state": detail.get("reason", state),
            "startedAt": detail.get("startedAt"),
            "restarts": worker.container.restarts,
        }
