"""What has been done to a cluster, kept in the cluster: ConfigMap kube-system/nftwave.

Written before the first change and kept after the last, so that any machine can read what was
approved, what the original was, and how to go back by hand. Not in annotations of kube-proxy's own
objects: `kubeadm upgrade` drops those (measured, kubeadm 1.36.2).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nftwave.errors import Conflict, NftwaveError
from nftwave.kube.converge import converge
from nftwave.kube.errors import ApiConflict
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, Object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.kube.gateway import Gateway

NAME = "nftwave"
ENTRY = "ledger.json"
ORIGINAL = "original.config.conf"
"""Key with the original text as it was, so that kubectl alone can put it back."""
FORMAT = 1
"""Version of what stands under `ledger.json`."""
NODES_KEPT = 500
REASON_LIMIT = 300
"""How many nodes that are not verified are named, and characters of each one's reason: the API
server takes at most 1 MiB an object."""
ABSENT = ""
"""The version of a ledger that is not there."""


@dataclass(frozen=True)
class Approval:
    """Who decided what, bound to a plan. The name is what somebody typed: claimed, not proven."""

    decision: str
    approver: str
    reason: str
    plan_hash: str
    at: str
    by: str
    """How: `ui` (form or `nftwave approve`), or `auto` (the run was started with that)."""
    gate: str = "plan"
    """What was decided on: `plan`, before the first change; `canary`, on its evidence."""


@dataclass(frozen=True)
class Ledger:
    """One migration of one cluster.

    Attributes:
        phase: `approved` before the first change, then `patched`; then `restarted` (strategy
            rolling), or `canary`, `asking`, `batches` and `restoring`; at the end `verified` or
            `failed`. On the way back `rolling-back`, and `rolled-back` at its end.
        plan: the frozen plan, as it was shown.
        original: data of the kube-proxy ConfigMap before the first change.
        original_strategy: updateStrategy of the DaemonSet before the first change.
        nodes: what came of nodes that are not verified, by name.
        restarted_at: the restart annotation that this migration set, empty before it did.
        original_restarted_at: that annotation before the first change; empty where there was none.
        proven: nodes of which a run has seen that they are verified.
        flipping: nodes in hand, written before the first of them is changed: each with the uid of
            the kube-proxy pod that is to be replaced.
        takeovers: from whom the lock was taken, and when.
        version: resourceVersion under which it was read or written; not part of the entry.
    """

    phase: str
    plan_hash: str
    plan: Mapping[str, Any]
    original: Mapping[str, str]
    original_strategy: Mapping[str, Any]
    approvals: tuple[Approval, ...] = ()
    nodes: Mapping[str, str] | None = None
    restarted_at: str = ""
    original_restarted_at: str = ""
    proven: tuple[str, ...] = ()
    flipping: Mapping[str, str] = field(default_factory=dict)
    takeovers: tuple[str, ...] = ()
    version: str = ABSENT

    @property
    def is_open(self) -> bool:
        """Whether the migration has begun, and has neither been proven nor taken back."""
        return self.phase not in {"verified", "rolled-back"}

    @property
    def going_back(self) -> bool:
        """Whether it is being taken back: then it can only be taken back to the end."""
        return self.phase == "rolling-back"

    @property
    def in_hand(self) -> frozenset[str]:
        """Nodes that a run has begun with and not proven."""
        return frozenset(self.flipping) | frozenset(self.nodes or ())

    def approved(self, gate: str) -> Approval | None:
        """The latest yes to this plan at a gate."""
        given = [a for a in self.approvals if a.gate == gate and a.plan_hash == self.plan_hash]
        # In the order in which they were given: clocks of two machines differ.
        return given[-1] if given and given[-1].decision == "approve" else None

    def data(self) -> dict[str, str]:
        """The data of the ConfigMap."""
        entry = {**asdict(self), "format": FORMAT, "nodes": _bounded(self.nodes)}
        del entry["version"]
        return {
            ENTRY: json.dumps(entry, sort_keys=True),
            ORIGINAL: self.original.get("config.conf", ""),
        }

    @classmethod
    def of(cls, config_map: Object) -> Ledger:
        """From the ConfigMap.

        Raises:
            NftwaveError: it is damaged, or of a newer program.
        """
        try:
            entry = json.loads(config_map["data"][ENTRY])
            _same_format(entry.pop("format"))
            entry["approvals"] = tuple(Approval(**one) for one in entry["approvals"])
            entry |= {name: tuple(entry.get(name, ())) for name in ("proven", "takeovers")}
            return cls(**entry, version=config_map["metadata"]["resourceVersion"])
        except (ValueError, KeyError, TypeError) as error:
            raise NftwaveError(
                f"the ledger, ConfigMap {KUBE_SYSTEM}/{NAME}, is unreadable: {error}",
                next_step=f"keep it (kubectl -n {KUBE_SYSTEM} get cm {NAME} -o yaml; {ORIGINAL}"
                " in it is the original), then delete it and run this again",
            ) from error


def _same_format(found: int) -> None:
    if found != FORMAT:
        raise ValueError("it was written by another version of nftwave")


def _bounded(nodes: Mapping[str, str] | None) -> dict[str, str]:
    named = dict(list((nodes or {}).items())[:NODES_KEPT])
    kept = {name: why[:REASON_LIMIT] for name, why in named.items()}
    more = len(nodes or {}) - len(kept)
    return kept | ({"…": f"and {more} more nodes"} if more else {})


def read(gateway: Gateway) -> Ledger | None:
    """The ledger of a cluster, None where no migration has begun."""
    found = gateway.find(CONFIG_MAPS, NAME, KUBE_SYSTEM)
    return Ledger.of(found) if found and ENTRY in (found.get("data") or {}) else None


def write(gateway: Gateway, ledger: Ledger) -> Ledger:
    """Write the ledger over the version that it was read from, and see that it is there.

    Raises:
        Conflict: another run has written meanwhile.
    """
    wanted = ledger.data()
    meta = {"name": NAME, "namespace": KUBE_SYSTEM}
    blank: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}

    def change(now: Object) -> Object:
        version = now["metadata"].get("resourceVersion", ABSENT)
        if version != ledger.version:
            raise _another_run(gateway.cluster)
        body = {**now, "data": wanted}
        if version == ABSENT:
            return gateway.create(CONFIG_MAPS, body, KUBE_SYSTEM)
        return gateway.replace(CONFIG_MAPS, body)

    try:
        done = converge(
            lambda: gateway.find(CONFIG_MAPS, NAME, KUBE_SYSTEM) or blank,
            lambda now: now.get("data") == wanted,
            change,
        )
    except ApiConflict as error:
        raise _another_run(gateway.cluster) from error
    return replace(ledger, version=done.object["metadata"]["resourceVersion"])


def _another_run(cluster: str) -> Conflict:
    return Conflict(
        f"ConfigMap {KUBE_SYSTEM}/{NAME}, the ledger, was written by somebody else meanwhile:"
        " another run works on this cluster",
        cluster=cluster,
        unchanged="this run changed nothing after it noticed",
        next_step="let the other run end, then run this again",
    )
