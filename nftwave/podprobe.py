"""One look at a node without SSH: by exec in its kube-proxy pod, and through the API server.

kube-proxy's image has no shell and few programs, so each fact is one command of its own. What is
seen and what is not (the programs are those of Kubernetes 1.36's kube-proxy image):

    | fact                                         | by exec                                     |
    |----------------------------------------------|---------------------------------------------|
    | tables, maps, iptables chains                | `nft`, `iptables-save` in the pod           |
    | `/healthz`                                   | through the API server, as a node's proxy   |
    | kernel, operating system                     | the Node object, as the kubelet saw them    |
    | nft of the image                             | `nft --version`                             |
    | `/proxyMode`, metrics                        | unknown: they are on the node's loopback    |
    | ipvs, `kube-ipvs0`, conntrack                | unknown: no program reads /proc, or links   |
    | connections, listener, firewalls, clock, nft | unknown: they are the host's                |

Not in place of the unknown ones: `/healthz` names a time a family, but kube-proxy sets it at its
start too, before any sync (Kubernetes 1.36 source, pkg/proxy/nftables/proxier.go, SyncLoop).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.kube.errors import ApiError
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.podexec import NOT_STARTED, run_in_pod
from nftwave.node.deadline import Deadline
from nftwave.node.parse import parse
from nftwave.node.script import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.objects import NodeView, ProxyPod
    from nftwave.node.facts import NodeFacts, ServicePort

UNSEEN = (
    "clock",
    "uid",
    "kernel",
    "os",
    "nft",
    "virtual_servers",
    "ipvs_connections",
    "ipvs_interface",
    "proxy_mode",
    "metrics",
    "listener",
    "conntrack",
    "firewalls",
)
"""Blocks of the probe that no program in the image can tell."""
MAPS = ("service-ips", "no-endpoint-services")
HEALTH_PORT = 10256


class PodProbe:
    """Looks at one node, as often as asked.

    Args:
        pod: tells which pod is the node's kube-proxy at that time.
    """

    def __init__(
        self, gateway: Gateway, node: NodeView, pod: Callable[[], ProxyPod | None]
    ) -> None:
        self._gateway = gateway
        self._node = node
        self._pod = pod

    def close(self) -> None:
        """Nothing is kept open between two looks."""

    def probe(
        self, *, deadline: float | Deadline, reach: Collection[ServicePort] = ()
    ) -> NodeFacts:
        """One look, within `deadline` seconds. `reach` stays untried: no program can connect.

        Raises:
            Unreachable: there is no running pod, or no exec in it.
        """
        limit = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
        pod = self._pod()
        if pod is None or pod.started is None:
            raise Unreachable("no running kube-proxy container to look from", node=self._node.name)
        blocks = [_block(name, "", "unseen") for name in UNSEEN]
        blocks += [_block(f"answer.{p.address}/{p.port}", "", "unseen") for p in reach]
        tables = self._run(pod, limit, "tables", "nft", "list", "tables")
        blocks += [tables, self._run(pod, limit, "proxy_nft", "nft", "--version")]
        for family in ("ip", "ip6"):
            if f"table {family} kube-proxy" not in tables:
                continue
            for name in MAPS:
                words = ("nft", "-j", "list", "map", family, "kube-proxy", name)
                blocks.append(self._run(pod, limit, f"{name}.{family}", *words))
        blocks += [self._chains(pod, limit), self._health()]
        facts = parse("".join(blocks).encode(), node=self._node.name, mark=MARK)
        return replace(
            facts,
            kernel=self._node.kernel or facts.kernel,
            os=self._node.object["status"]["nodeInfo"].get("osImage") or facts.os,
            commands={
                field: _by_exec(command, pod.name) for field, command in facts.commands.items()
            },
        )

    def _run(self, pod: ProxyPod, limit: Deadline, block: str, *words: str) -> str:
        said = run_in_pod(
            self._gateway, KUBE_SYSTEM, pod.name, list(words), deadline=limit.remaining()
        )
        if said.status == 0:
            return _block(block, said.stdout, "0")
        status = "127" if said.status >= NOT_STARTED else str(said.status)
        return _block(block, said.stdout + said.stderr, status)

    def _chains(self, pod: ProxyPod, limit: Deadline) -> str:
        told = [
            self._run(pod, limit, "iptables_chains", program)
            for program in ("iptables-save", "ip6tables-save")
        ]
        text = "\n".join(
            line for one in told for line in one.split("\n") if line.startswith(":KUBE-")
        )
        failed = [one for one in told if not one.endswith(" 0\n")]
        return failed[0] if failed else _block("iptables_chains", text, "0")

    def _health(self) -> str:
        path = f"/api/v1/nodes/{self._node.name}:{HEALTH_PORT}/proxy/healthz"
        try:
            return _block("health", self._gateway.text(path), "0")
        except ApiError as error:
            return _block("health", error.what, "1")


def _block(name: str, text: str, status: str) -> str:
    return f"{MARK} begin {name}\n{text}\n{MARK} end {name} {status}\n"


_IN_IMAGE = re.compile(r"(^|; )(nft|ip6?tables-save)\b")


def _by_exec(command: str, pod: str) -> str:
    """A command as a person can type it without SSH, where the image has the program."""
    prefix = f"kubectl -n {KUBE_SYSTEM} exec {pod} --"
    return _IN_IMAGE.sub(rf"\1{prefix} \2", command).replace(" POD ", f" {pod} ")
