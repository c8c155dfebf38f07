"""What has been done to a cluster, kept in the cluster: ConfigMap kube-system/nftwave.

Written before the first change and kept after the last, so that any machine can read what was
approved, what the original was, and how to go back by hand. Not in annotations of kube-proxy's own
objects: `kubeadm upgrade` drops those (measured, kubeadm 1.36.2).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from nftwave.kube.converge import converge
from nftwave.kube.errors import ApiConflict
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, Object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.kube.gateway import Gateway
    from nftwave.plan import Plan

NAME = "nftwave"
ENTRY = "ledger.json"
ORIGINAL = "original.config.conf"
"""Key with the original text as it was, so that kubectl alone can put it back."""


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


@dataclass(frozen=True)
class Ledger:
    """One migration of one cluster.

    Attributes:
        phase: `approved` before the first change, then `patched`, `restarted`, and at the end
            `verified` or `failed`.
        plan: the frozen plan, as it was shown.
        original: data of the kube-proxy ConfigMap before the first change.
        original_strategy: updateStrategy of the DaemonSet before the first change.
        restarted_at: the restart annotation that this migration set, empty before it did.
        nodes: what came of nodes that are not verified, by name.
    """

    phase: str
    plan_hash: str
    plan: Mapping[str, Any]
    original: Mapping[str, str]
    original_strategy: Mapping[str, Any]
    approvals: tuple[Approval, ...] = ()
    nodes: Mapping[str, str] | None = None
    restarted_at: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the migration has begun and has not been proven."""
        return self.phase != "verified"

    def data(self) -> dict[str, str]:
        """The data of the ConfigMap."""
        return {
            ENTRY: json.dumps(asdict(self), indent=1, sort_keys=True),
            ORIGINAL: self.original.get("config.conf", ""),
        }

    @classmethod
    def of(cls, config_map: Object) -> Ledger:
        """From the ConfigMap."""
        entry = json.loads(config_map["data"][ENTRY])
        entry["approvals"] = tuple(Approval(**one) for one in entry["approvals"])
        return cls(**entry)


def read(gateway: Gateway) -> Ledger | None:
    """The ledger of a cluster, None where no migration has begun."""
    found = gateway.find(CONFIG_MAPS, NAME, KUBE_SYSTEM)
    return Ledger.of(found) if found and ENTRY in (found.get("data") or {}) else None


def write(gateway: Gateway, ledger: Ledger) -> None:
    """Write the ledger and see that it is there."""
    wanted = ledger.data()
    meta = {"name": NAME, "namespace": KUBE_SYSTEM}
    blank: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta}

    def change(now: Object) -> Object:
        body = {**now, "data": wanted}
        if "resourceVersion" in now["metadata"]:
            return gateway.replace(CONFIG_MAPS, body)
        return gateway.create(CONFIG_MAPS, body, KUBE_SYSTEM)

    def attempt() -> None:
        converge(
            lambda: gateway.find(CONFIG_MAPS, NAME, KUBE_SYSTEM) or blank,
            lambda now: now.get("data") == wanted,
            change,
        )

    try:
        attempt()
    except ApiConflict:
        # The create was carried out though its answer was lost, or somebody labelled the object.
        attempt()


def opened(
    before: Ledger | None, *, plan: Plan, config_data: Mapping[str, str], approval: Approval
) -> Ledger:
    """The entry that is written before the first change.

    Where an earlier run has edited config.conf already, its original is kept: what the cluster
    holds now is then no longer the original.

    Args:
        before: the entry of an earlier run.
        config_data: data of the kube-proxy ConfigMap as it is now.
    """
    entry = Ledger(
        phase="approved",
        plan_hash=plan.hash,
        plan=plan.as_dict(),
        original=config_data,
        original_strategy=plan.strategy_restored,
        approvals=(approval,),
    )
    if before is None or not before.is_open or plan.edits_config:
        return entry
    return replace(
        entry,
        original=before.original,
        original_strategy=before.original_strategy,
        approvals=(*before.approvals, approval),
        restarted_at=before.restarted_at,
    )
