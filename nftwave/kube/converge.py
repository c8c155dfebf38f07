"""Observe, compare, act, confirm: the one way in which this program changes an object.

An answer can be lost after the API server carried the request out. So a change that failed in a
way that may pass is never simply sent again: the object is read anew, and only if it is still as
it was the change is made again. Run twice, or from two machines, it does nothing the second time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.kube.errors import ApiUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nftwave.kube.resources import Object

ATTEMPTS = 8
LONGEST_WAIT = 10.0
"""Seconds between two attempts, at most."""


@dataclass(frozen=True)
class Converged:
    """The object as it is now, and whether this call is what changed it."""

    object: Object
    changed: bool


def converge(
    read: Callable[[], Object],
    is_wanted: Callable[[Object], bool],
    change: Callable[[Object], Object],
) -> Converged:
    """Bring an object to the wanted state, under a precondition, and see that it is there.

    Args:
        read: reads the object as it is now.
        is_wanted: whether it is already as wanted: then nothing is sent.
        change: makes the change to the object just read, under its resourceVersion, or raises
            when it is not what the plan was made for.

    Raises:
        ApiConflict: somebody else wrote between read and change.
        ApiUnavailable: the API server stayed away.
    """
    sent = False
    for attempt in range(ATTEMPTS):
        now = read()
        if is_wanted(now):
            return Converged(now, changed=sent)
        try:
            sent = True
            change(now)
        except ApiUnavailable as error:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(error.retry_after or min(0.25 * 2**attempt, LONGEST_WAIT))
            continue
        now = read()
        if is_wanted(now):
            return Converged(now, changed=True)
    return _gave_up(now)


def _gave_up(now: Object) -> Converged:
    from nftwave.errors import Conflict

    meta = now.get("metadata", {})
    raise Conflict(
        f"{now.get('kind', 'object')} {meta.get('namespace')}/{meta.get('name')} does not stay as"
        f" written: somebody puts it back",
        next_step="`kubectl get … -o yaml --show-managed-fields` tells which manager wrote last",
    )
