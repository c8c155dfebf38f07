"""How far a migration is, as the cluster itself tells: ledger, lock, DaemonSet and config.conf.

No node is asked, no run is needed, and nothing is changed: this is for whoever wonders what is
going on, from any machine.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nftwave import lease, ledger
from nftwave.kube.objects import KUBE_PROXY, KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, DAEMON_SETS
from nftwave.lock import DURATION
from nftwave.proxyconfig import Unreadable
from nftwave.proxyconfig import read as read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object
    from nftwave.lease import Lease
    from nftwave.ledger import Ledger

PHASES: Mapping[str, str] = {
    "approved": "approved; the first changes are being made",
    "patched": "config.conf says nftables; no kube-proxy is restarted yet",
    "restarted": "kube-proxy is being restarted on all nodes",
    "canary": "the canary has its turn",
    "asking": "a person is asked; nothing changes until the answer",
    "batches": "nodes are changed batch by batch",
    "restoring": "all nodes had their turn; the update strategy is being put back",
    "verified": "done: every node proved nftables mode",
    "failed": "ended, and not every node proved itself",
    "rolling-back": "being taken back",
    "rolled-back": "taken back: the configuration is as it was before",
}
AT_REST = "a run ended early; nothing changes until somebody goes on or back"
NO_MIGRATION = "no migration was begun"
MODE_BY_DEFAULT = "iptables"
"""What kube-proxy runs on Linux where config.conf does not say (Kubernetes 1.36 source)."""


@dataclass(frozen=True)
class LockStatus:
    """Who works on the cluster now. Times in epoch seconds by the holder's clock.

    Attributes:
        holder: in one line; empty where nobody has the lock.
        expired: it was not renewed for so long, by this machine's clock, that whoever comes next
            may take it over.
    """

    holder: str
    host: str = ""
    purpose: str = ""
    run: str = ""
    since: float | None = None
    renewed: float | None = None
    expired: bool = False

    def words(self) -> str:
        """For people."""
        if not self.holder:
            return "nobody: no run works on this cluster now"
        purpose = f" ({self.purpose})" if self.purpose else ""
        told = f"{self.holder}{purpose} since {lease.moment(self.since)}"
        told += f", renewed {lease.ago(self.renewed)}"
        if self.expired:
            told += ": its process has probably ended; the next run takes the lock over"
        return told


@dataclass(frozen=True)
class Nodes:
    """The nodes of the plan, each once; names sorted.

    Attributes:
        proven: verified to run nftables.
        in_hand: begun with, and neither proven nor failed yet.
        not_verified: failed or unknown, each with why.
        not_yet: had no turn.
    """

    proven: tuple[str, ...] = ()
    in_hand: tuple[str, ...] = ()
    not_verified: Mapping[str, str] | None = None
    not_yet: tuple[str, ...] = ()

    def rows(self) -> list[tuple[str, str, str]]:
        """(node, where it is, why) of those that are not just proven or waiting."""
        failed = [(name, "not verified", why) for name, why in (self.not_verified or {}).items()]
        return [*failed, *((name, "in hand", "") for name in self.in_hand)]


@dataclass(frozen=True)
class Status:
    """What there is to say about a cluster.

    Attributes:
        phase: the ledger's, empty where no migration was begun; `words` says it in a sentence.
        is_open: begun, and neither proven nor taken back.
        plan: hash and strategy of the plan; empty where there is none.
        config_mode: mode that config.conf says, now and before; None where that is unreadable.
        update_strategy: type of the DaemonSet's updateStrategy, now and before.
        go_on: the command that goes on, empty where nothing is to be gone on with.
        go_back: the command that goes back, empty where there is nothing to go back from.
    """

    cluster: str
    phase: str
    words: str
    is_open: bool
    lock: LockStatus
    plan: Mapping[str, str]
    approvals: tuple[Mapping[str, Any], ...]
    takeovers: tuple[str, ...]
    nodes: Nodes
    config_mode: Mapping[str, str | None]
    update_strategy: Mapping[str, str | None]
    go_on: str
    go_back: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return asdict(self)


def status(gateway: Gateway, called: str) -> Status:
    """Read how far a migration of a cluster is.

    Args:
        called: how a command names the cluster, such as `prod --fleet fleet.yaml`.

    Raises:
        ApiError: the API server refused or stayed away.
        NftwaveError: the ledger is unreadable.
    """
    entry = ledger.read(gateway)
    config_map = gateway.find(CONFIG_MAPS, KUBE_PROXY, KUBE_SYSTEM) or {}
    daemon_set = gateway.find(DAEMON_SETS, KUBE_PROXY, KUBE_SYSTEM) or {}
    now = {
        "config_mode": _mode((config_map.get("data") or {}).get("config.conf")),
        "update_strategy": _strategy((daemon_set.get("spec") or {}).get("updateStrategy")),
    }
    before: dict[str, str | None] = {}
    if entry:
        before = {
            "config_mode": _mode(entry.original.get("config.conf")),
            "update_strategy": _strategy(entry.original_strategy),
        }
    go_on, go_back = _commands(entry, called)
    lock = lock_status(lease.read(gateway), clock=time.time)
    return Status(
        cluster=gateway.cluster,
        phase=entry.phase if entry else "",
        words=_words(entry, lock),
        is_open=bool(entry and entry.is_open),
        lock=lock,
        plan={"hash": entry.plan_hash, "strategy": entry.plan.get("strategy", "")} if entry else {},
        approvals=tuple(asdict(one) for one in entry.approvals) if entry else (),
        takeovers=entry.takeovers if entry else (),
        nodes=nodes_of(entry) if entry else Nodes(),
        config_mode={"now": now["config_mode"], "original": before.get("config_mode")},
        update_strategy={"now": now["update_strategy"], "original": before.get("update_strategy")},
        go_on=go_on,
        go_back=go_back,
    )


def _words(entry: Ledger | None, lock: LockStatus) -> str:
    if entry is None:
        return NO_MIGRATION
    if entry.phase == "asking" and (not lock.holder or lock.expired):
        return AT_REST
    return PHASES.get(entry.phase, entry.phase)


def lock_status(found: Lease | None, *, clock: Callable[[], float]) -> LockStatus:
    """Who has the lock by the Lease.

    Args:
        clock: tells epoch seconds.
    """
    if found is None or not found.identity:
        return LockStatus("")
    renewed = found.renewed
    expired = renewed is None or clock() - renewed > (found.duration or DURATION)
    return LockStatus(
        holder=found.identity,
        host=found.holder.host if found.holder else "",
        purpose=found.purpose,
        run=found.holder.run if found.holder else "",
        since=found.acquired,
        renewed=renewed,
        expired=expired,
    )


def nodes_of(entry: Ledger) -> Nodes:
    """Where each node of the plan is; nothing where the migration was taken back."""
    if entry.phase == "rolled-back":
        return Nodes()
    failed = dict(entry.nodes or {})
    proven = set(entry.proven) - set(failed)
    if entry.phase == "verified":
        proven = _planned(entry) - set(failed)
    in_hand = set(entry.flipping) - set(failed) - proven
    return Nodes(
        proven=tuple(sorted(proven)),
        in_hand=tuple(sorted(in_hand)),
        not_verified=failed,
        not_yet=tuple(sorted(_planned(entry) - proven - in_hand - set(failed))),
    )


def _planned(entry: Ledger) -> set[str]:
    batches = [name for batch in entry.plan.get("batches") or () for name in batch]
    return {*batches, *(entry.plan.get("nodes") or ()), *(entry.plan.get("kept") or ())}


def _commands(entry: Ledger | None, called: str) -> tuple[str, str]:
    """What goes on, and what goes back."""
    migrate, back = f"nftwave migrate {called}", f"nftwave rollback {called}"
    if entry is None or entry.phase == "rolled-back":
        return migrate, ""
    if entry.phase == "rolling-back":
        return back, ""  # what is being taken back can only be taken back to the end
    return ("" if entry.phase == "verified" else migrate), back


def _mode(text: str | None) -> str | None:
    """Mode that a config.conf says; None where there is none or it is unreadable."""
    if text is None:
        return None
    try:
        return read_config(text).mode or MODE_BY_DEFAULT
    except Unreadable:
        return None


def _strategy(found: Object | None) -> str | None:
    return str(found["type"]) if found and "type" in found else None
