"""The Lease kube-system/nftwave, by which one process at a time works on a cluster.

It has the fields that client-go's leader election gives a Lease, so `kubectl get lease` shows it as
any other; what a stranger needs to know of the holder stands in one annotation.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from nftwave.holder import Holder
from nftwave.kube.objects import KUBE_SYSTEM, instant
from nftwave.kube.resources import LEASES

if TYPE_CHECKING:
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object

NAME = "nftwave"
ANNOTATION = "nftwave/holder"


@dataclass(frozen=True)
class Lease:
    """The Lease as it was read. Times in epoch seconds, by the clock of whoever wrote them.

    Attributes:
        identity: who holds it, for people; empty where nobody does.
        holder: the holder's process, None where it does not say.
        purpose: what the holder does, such as `migrate`.
        token: of the one lock that holds it: a process may have had several after each other.
        transitions: how often it went from one holder to another.
    """

    identity: str
    holder: Holder | None
    purpose: str
    token: str
    acquired: float | None
    renewed: float | None
    duration: float | None
    transitions: int
    object: Object

    @classmethod
    def of(cls, lease: Object) -> Lease:
        """From its JSON; an annotation that cannot be read says nothing of the holder."""
        spec = lease.get("spec") or {}
        told = _told(lease)
        return cls(
            identity=spec.get("holderIdentity") or "",
            holder=told[0],
            purpose=told[1],
            token=told[2],
            acquired=instant(spec.get("acquireTime")),
            renewed=instant(spec.get("renewTime")),
            duration=spec.get("leaseDurationSeconds"),
            transitions=spec.get("leaseTransitions") or 0,
            object=lease,
        )

    def same_renewal(self, other: Lease) -> bool:
        """Whether neither holder nor renewal changed between two looks."""
        mine = (self.identity, self.token, self.renewed)
        return mine == (other.identity, other.token, other.renewed)

    def who(self) -> str:
        """Who holds it and what for, as the middle of a sentence."""
        return self.identity + (f" ({self.purpose})" if self.purpose else "")

    def since(self) -> str:
        """Since when it is held and when it was renewed, as the end of a sentence."""
        return f"since {moment(self.acquired)}, renewed {ago(self.renewed)}"


def _told(lease: Object) -> tuple[Holder | None, str, str]:
    try:
        told = json.loads(lease["metadata"]["annotations"][ANNOTATION])
        return Holder(**told["holder"]), str(told["purpose"]), str(told["token"])
    except (KeyError, TypeError, ValueError):
        return None, "", ""


def read(gateway: Gateway) -> Lease | None:
    """The Lease, None where nobody has ever taken it."""
    found = gateway.find(LEASES, NAME, KUBE_SYSTEM)
    return Lease.of(found) if found else None


def taken(
    found: Lease | None, holder: Holder, *, purpose: str, token: str, duration: float
) -> Object:
    """The Lease as whoever takes it writes it, over what was found.

    leaseTransitions counts each change of holder, a release and the next holder as one (client-go
    source, tools/leaderelection).
    """
    now = micro_time()
    spec = {
        "holderIdentity": holder.identity,
        "leaseDurationSeconds": math.ceil(duration),
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": found.transitions + 1 if found else 0,
    }
    told = {"holder": asdict(holder), "purpose": purpose, "token": token}
    new: Object = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    old = found.object if found else new
    meta = old.get("metadata") or {"name": NAME, "namespace": KUBE_SYSTEM}
    annotations = {**(meta.get("annotations") or {}), ANNOTATION: json.dumps(told, sort_keys=True)}
    return {**old, "metadata": {**meta, "annotations": annotations}, "spec": spec}


def renewed(held: Object) -> Object:
    """The Lease that is held, renewed now."""
    return {**held, "spec": {**held["spec"], "renewTime": micro_time()}}


def released(held: Object) -> Object:
    """The Lease given back, as client-go's ReleaseOnCancel leaves one."""
    now = micro_time()
    spec: dict[str, Any] = {
        **held["spec"],
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "acquireTime": now,
        "renewTime": now,
    }
    meta = dict(held["metadata"])
    meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != ANNOTATION}
    return {**held, "metadata": meta, "spec": spec}


def micro_time() -> str:
    """Now as a MicroTime, which always has six digits (Kubernetes source, apimachinery)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(at: float | None) -> str:
    """A time for people, to the second, in UTC."""
    if at is None:
        return "an unknown time"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(at: float | None) -> str:
    """How long ago something was by this machine's clock."""
    if at is None:
        return "at an unknown time"
    seconds = time.time() - at
    if seconds < 0:
        return f"{lasting(-seconds)} in the future (the clocks of two machines differ)"
    return f"{lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """A length of time in the largest unit that tells enough of it."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
