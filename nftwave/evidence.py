"""Facts of a node, its pod and its log -> a verdict on the node. Pure.

Ready, the log line, `/proxyMode` and `/healthz` can all be well while a node has no rules at all
(measured, kube-proxy 1.36.2: the first sync ended 11 s after Ready; a dying kube-proxy logged
"Using nftables Proxier" too). So a node is verified only when everything below holds, and the
rules in the kernel are part of it. What could not be seen is unknown: neither verified nor failed.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from nftwave.errors import Unreachable
from nftwave.node.facts import Family, NodeFacts, ServicePort, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.kube.objects import ProxyPod


class Standing(StrEnum):
    """What is known of a piece of evidence, or of a node."""

    VERIFIED = "verified"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """One thing looked at: what was seen, and the command with which a person can look again."""

    name: str
    standing: Standing
    seen: str
    command: str
    counts: bool = True
    """Whether the verdict rests on it. False for what other evidence proves better."""


@dataclass(frozen=True)
class NodeVerdict:
    """What is known of a node after the change, and why."""

    node: str
    standing: Standing
    evidence: tuple[Evidence, ...]
    at: float
    """When it was judged, seconds since the epoch by the clock of this program."""

    def __repr__(self) -> str:
        # Prefect logs the result of a task run that ends as Failed.
        return f"<{self.node}: {self.standing}>"

    def as_dict(self) -> dict[str, Any]:
        """For JSON and YAML, with the reason in words."""
        return {**asdict(self), "why": self.why()}

    def against(self) -> tuple[Evidence, ...]:
        """The evidence that keeps the node from being verified; failed before unknown."""
        open_ones = [e for e in self.evidence if e.counts and e.standing is not Standing.VERIFIED]
        return tuple(sorted(open_ones, key=lambda e: e.standing is Standing.UNKNOWN))

    def why(self) -> str:
        """One line: what is against it, or how much is for it."""
        against = self.against()
        if not against:
            held = sum(e.standing is Standing.VERIFIED for e in self.evidence)
            return f"{held} pieces of evidence hold"
        return "; ".join(f"{e.name}: {e.seen}" for e in against)


@dataclass(frozen=True)
class ProxyLog:
    """What the log of the running container tells; None where it does not tell."""

    proxier: str | None
    families: frozenset[Family] | None
    last_words: str = ""
    """How the log of a pod that keeps dying ends."""

    @classmethod
    def read(cls, text: str) -> ProxyLog:
        """From the first lines that kube-proxy writes after its start."""
        proxiers = re.findall(r'"Using (\w+) Proxier"', text)
        families: frozenset[Family] | None = None
        if "running in dual-stack mode" in text:
            families = frozenset(("ip", "ip6"))
        elif single := re.search(r'running in single-stack mode"? *ipFamily="IPv(4|6)"', text):
            families = frozenset(("ip6",) if single[1] == "6" else ("ip",))
        return cls(proxiers[-1] if proxiers else None, families)


@dataclass(frozen=True)
class Expected:
    """What has to be true of a node in nftables mode.

    Attributes:
        replaced_uid: uid of the pod that must be gone; None where no restart was asked for.
        must_serve: Service ports that kube-proxy's rules must hold.
    """

    must_serve: Sequence[ServicePort]
    replaced_uid: str | None = None


def judge(
    node: str,
    facts: NodeFacts | Unreachable,
    pod: ProxyPod | None,
    log: ProxyLog | None,
    expected: Expected,
    *,
    at: float,
) -> NodeVerdict:
    """The verdict on one node.

    Args:
        pod: the kube-proxy pod that the API server tells of; None where it tells of none.
        log: None where the log could not be read.
        at: now, seconds since the epoch.
    """
    evidence = [_pod(node, pod, expected, log.last_words if log else "")]
    if isinstance(facts, Unreachable):
        evidence.append(Evidence("probe", Standing.UNKNOWN, facts.what, f"ssh {node}"))
        return NodeVerdict(node, _overall(evidence), tuple(evidence), at)
    evidence += [_log(pod, log), _proxy_mode(facts), _one_process(facts, pod)]
    for family in sorted(_families(facts, log, expected.must_serve)):
        evidence += [
            _first_sync(facts, pod, family),
            _table(facts, family),
            *_service_ips(facts, family, expected.must_serve),
        ]
    evidence += [_sync_failures(facts), _ipvs_empty(facts), _interface_gone(facts)]
    return NodeVerdict(node, _overall(evidence), tuple(evidence), at)


def _overall(evidence: Iterable[Evidence]) -> Standing:
    standings = {e.standing for e in evidence if e.counts}
    if Standing.FAILED in standings:
        return Standing.FAILED
    return Standing.UNKNOWN if Standing.UNKNOWN in standings else Standing.VERIFIED


def _families(
    facts: NodeFacts, log: ProxyLog | None, must_serve: Sequence[ServicePort]
) -> frozenset[Family]:
    """Families whose rules have to be there.

    kube-proxy's own word where the log still has it; else each family that its metrics know, and
    those of the Services that must be served.
    """
    if log and log.families:
        return log.families
    served: set[Family] = {_family(port.address) for port in must_serve}
    if not isinstance(facts.last_sync, Unknown):
        served |= set(facts.last_sync)
    return frozenset(served)


def _family(address: str) -> Family:
    return "ip6" if ":" in address else "ip"


def _holds(ok: bool) -> Standing:  # noqa: FBT001 (what it is about)
    return Standing.VERIFIED if ok else Standing.FAILED


def _pod(node: str, pod: ProxyPod | None, expected: Expected, last_words: str) -> Evidence:
    command = (
        "kubectl -n kube-system get pod -l k8s-app=kube-proxy"
        f" --field-selector spec.nodeName={node} -o wide"
    )
    name = "kube-proxy pod"
    if pod is None:
        return Evidence(name, Standing.FAILED, "no kube-proxy pod on this node", command)
    if pod.uid == expected.replaced_uid:
        return Evidence(name, Standing.FAILED, f"{pod.name} was not replaced", command)
    if pod.hopeless:
        seen = f"{pod.name}: {pod.waiting}, {pod.restarts} restarts{last_words}"
        return Evidence(name, Standing.FAILED, seen, command)
    if not pod.ready or pod.deleting:
        return Evidence(name, Standing.FAILED, f"{pod.name} is {pod.state()}", command)
    replaced = ", replaced" if expected.replaced_uid else ""
    return Evidence(name, Standing.VERIFIED, f"{pod.name} is Ready{replaced}", command)


def _log(pod: ProxyPod | None, log: ProxyLog | None) -> Evidence:
    pod_name = pod.name if pod else "POD"
    command = f"kubectl -n kube-system logs {pod_name} | grep Proxier"
    if log is None:
        return Evidence("log line", Standing.UNKNOWN, "the log could not be read", command)
    if log.proxier is None:
        # A log that was rotated has lost its first lines. What the line says is proven better by
        # /proxyMode and by the tables, so this alone does not make a node unknown.
        seen = "no longer in the log; /proxyMode tells the same"
        return Evidence("log line", Standing.UNKNOWN, seen, command, counts=False)
    seen = f"Using {log.proxier} Proxier"
    return Evidence("log line", _holds(log.proxier == "nftables"), seen, command)


def _proxy_mode(facts: NodeFacts) -> Evidence:
    command = facts.commands.get("proxy_mode", "")
    if isinstance(facts.proxy_mode, Unknown):
        return Evidence("/proxyMode", Standing.UNKNOWN, facts.proxy_mode.reason, command)
    return Evidence("/proxyMode", _holds(facts.proxy_mode == "nftables"), facts.proxy_mode, command)


def _one_process(facts: NodeFacts, pod: ProxyPod | None) -> Evidence:
    """Whether what answers on 10249 is the container that the API server tells of."""
    command = facts.commands.get("process_started", "")
    name = "answering process"
    if isinstance(facts.process_started, Unknown):
        return Evidence(name, Standing.UNKNOWN, facts.process_started.reason, command)
    if pod is None or pod.started is None:
        return Evidence(name, Standing.UNKNOWN, "no running container to compare with", command)
    apart = facts.process_started - pod.started
    # startedAt is cut to whole seconds, and a slow node takes its time between the two.
    ok = -START_SLACK <= apart <= START_SLACK
    seen = f"started {apart:+.0f} s from the container's start"
    return Evidence(name, _holds(ok), seen, command)


START_SLACK = 30.0
"""Seconds that a process may seem to start before or after its container."""


def _first_sync(facts: NodeFacts, pod: ProxyPod | None, family: Family) -> Evidence:
    name, command = f"first sync {family}", facts.commands.get("last_sync", "")
    if isinstance(facts.last_sync, Unknown):
        return Evidence(name, Standing.UNKNOWN, facts.last_sync.reason, command)
    synced = facts.last_sync.get(family, 0.0)
    if not synced:
        return Evidence(name, Standing.FAILED, "no sync yet", command)
    if pod is None or pod.started is None:
        return Evidence(name, Standing.UNKNOWN, "no running container to compare with", command)
    after = synced - pod.started
    seen = f"{abs(after):.1f} s {'after' if after >= 0 else 'before'} the container's start"
    return Evidence(name, _holds(after >= 0), seen, command)


def _table(facts: NodeFacts, family: Family) -> Evidence:
    name, command = f"table {family} kube-proxy", facts.commands.get("tables", "")
    if isinstance(facts.tables, Unknown):
        return Evidence(name, Standing.UNKNOWN, facts.tables.reason, command)
    there = (family, "kube-proxy") in facts.tables
    return Evidence(name, _holds(there), "there" if there else "not there", command)


def _service_ips(
    facts: NodeFacts, family: Family, must_serve: Sequence[ServicePort]
) -> Iterable[Evidence]:
    wanted = [port for port in must_serve if _family(port.address) == family]
    if not wanted:
        return
    name, command = f"map service-ips {family}", facts.commands.get("service_ips", "")
    held = facts.service_ips.get(family, Unknown("the probe did not ask"))
    if isinstance(held, Unknown):
        yield Evidence(name, Standing.UNKNOWN, held.reason, command)
        return
    missing = [port for port in wanted if port not in (held or ())]
    if missing:
        seen = "not there" if held is None else f"{len(held)} entries"
        gone = ", ".join(" . ".join(map(str, port)) for port in missing)
        yield Evidence(name, Standing.FAILED, f"{seen}, without {gone}", command)
    else:
        first = " . ".join(map(str, wanted[0]))
        yield Evidence(name, Standing.VERIFIED, f"{len(held or ())} entries, with {first}", command)


def _sync_failures(facts: NodeFacts) -> Evidence:
    name, command = "sync failures", facts.commands.get("sync_failures", "")
    if isinstance(facts.sync_failures, Unknown):
        return Evidence(name, Standing.UNKNOWN, facts.sync_failures.reason, command)
    failures = sum(facts.sync_failures.values())
    return Evidence(name, _holds(failures == 0), f"{failures:.0f}", command)


def _ipvs_empty(facts: NodeFacts) -> Evidence:
    name, command = "no ipvs rules", facts.commands.get("virtual_servers", "")
    servers = facts.virtual_servers
    if isinstance(servers, Unknown):
        return Evidence(name, Standing.UNKNOWN, servers.reason, command)
    shown = ", ".join(f"{s.protocol} {s.address}:{s.port}" for s in servers[:3])
    seen = f"{len(servers)} virtual servers{f' ({shown})' if shown else ''}"
    return Evidence(name, _holds(not servers), seen, command)


def _interface_gone(facts: NodeFacts) -> Evidence:
    name, command = "kube-ipvs0 gone", facts.commands.get("ipvs_interface", "")
    held = facts.ipvs_interface
    if isinstance(held, Unknown):
        return Evidence(name, Standing.UNKNOWN, held.reason, command)
    seen = "gone" if held is None else f"there, with {len(held)} addresses"
    return Evidence(name, _holds(held is None), seen, command)
