"""Who lives on a node, and what a drain does with each: the rules of `kubectl drain`.

| pod                                              | a drain                              |
|--------------------------------------------------|--------------------------------------|
| has ended (Succeeded, Failed)                    | leaves it                            |
| static: annotation kubernetes.io/config.mirror   | leaves it: only the kubelet ends it  |
| of a DaemonSet                                   | leaves it: it would come back        |
| without a controller                             | refuses, unless it is allowed        |
| with an emptyDir volume                          | refuses, where it is not allowed     |
| any other                                        | evicts it                            |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.kube.resources import Object

MIRROR = "kubernetes.io/config.mirror"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Tenant:
    """A pod on a node that is to be emptied.

    Attributes:
        ending: it is being terminated already.
        stays: why a drain leaves it alone, empty where it does not.
        managed: a controller makes it anew elsewhere.
        empty_dir: it has an emptyDir volume, whose content goes with it.
    """

    namespace: str
    name: str
    uid: str
    ending: bool
    stays: str
    managed: bool
    empty_dir: bool

    @classmethod
    def of(cls, pod: Object) -> Tenant:
        """From the JSON of a Pod."""
        meta = pod["metadata"]
        owners = meta.get("ownerReferences") or ()
        controller = next((one["kind"] for one in owners if one.get("controller")), "")
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            ending="deletionTimestamp" in meta,
            stays=_stays(pod, controller),
            managed=bool(controller),
            empty_dir=any("emptyDir" in one for one in pod["spec"].get("volumes") or ()),
        )

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def objection(self, *, unmanaged: bool, empty_dir: bool) -> str:
        """Why a drain refuses to evict it, empty where it does not.

        Args:
            unmanaged: pods without a controller may be evicted.
            empty_dir: pods with emptyDir volumes may be.
        """
        if self.stays or self.ending:
            return ""
        if not self.managed and not unmanaged:
            return "no controller would make it anew"
        if self.empty_dir and not empty_dir:
            return "the content of its emptyDir would be lost"
        return ""


def _stays(pod: Object, controller: str) -> str:
    if pod.get("status", {}).get("phase") in ENDED:
        return "has ended"
    if MIRROR in (pod["metadata"].get("annotations") or {}):
        return "is static"
    return "is of a DaemonSet" if controller == "DaemonSet" else ""


def named(tenants: Iterable[str], limit: int = 5) -> str:
    """A list for people that does not become too long."""
    told = list(tenants)
    more = f", and {len(told) - limit} more" if len(told) > limit else ""
    return ", ".join(told[:limit]) + more
