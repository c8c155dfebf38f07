"""How a small controller follows the store: by its changes, never by asking again."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from nftwave.lab.machinery.status import ApiStatus

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.pace import Pace
    from nftwave.lab.store.history import Event
    from nftwave.lab.store.store import Store

SETTLE = 0.1  # seconds of a real cluster between a change and the look at it
MANAGER = "kube-controller-manager"


class Controller(Protocol):
    """Brings the objects in line with each other."""

    @property
    def follows(self) -> tuple[str, ...]:
        """Keys of the resources whose changes may concern it."""
        ...

    def concerns(self, event: Event) -> bool:
        """Whether a change of what it follows is one of its business."""
        ...

    def look(self) -> None:
        """One look at everything, and what has to be done. ApiStatus: the next look will do it."""
        ...


async def follow(store: Store, pace: Pace, controller: Controller) -> None:
    """Look now and after each change that concerns the controller, until cancelled."""
    with contextlib.closing(store.subscribe(*controller.follows)) as changes:
        while True:
            with contextlib.suppress(ApiStatus):
                controller.look()
            while not any(controller.concerns(event) for event in await changes.wait()):
                pass
            await pace.sleep(SETTLE)


def owner_of(obj: Object) -> tuple[str, str]:
    """Kind and uid of an object's controller, empty if it has none."""
    for one in obj["metadata"].get("ownerReferences", ()):
        if one.get("controller"):
            return one["kind"], one["uid"]
    return "", ""


def of_a_replica_set(event: Event) -> bool:
    """Whether a changed pod is one of a ReplicaSet; changes of other kinds pass."""
    obj = event.version.obj
    return event.version.resource.key != "pods" or owner_of(obj)[0] == "ReplicaSet"
