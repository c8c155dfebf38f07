"""One mutator: the lock on a cluster, and what another run did before it was ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect.runtime import flow_run

from nftwave import ledger, progress
from nftwave.holder import Holder
from nftwave.lock import Lock, give_back_left
from tasks.preflight import preflight
from tasks.run import Run


@contextmanager
def locked(run: Run, purpose: str, again: Callable[[Run], None] = preflight) -> Iterator[None]:
    """Hold the lock on the cluster within this block.

    Taken after preflight, so that a run that is blocked leaves no trace; what was read before is
    read again where another run has written meanwhile.

    Args:
        again: reads it.

    Raises:
        Held: another process works on the cluster.
    """
    run.story.where = "taking the lock"
    with Lock(run.gateway, holder=Holder.here(str(flow_run.id or "")), purpose=purpose) as lock:
        run.lock = lock
        if lock.taken_over_from:
            told = f"taken over from {lock.taken_over_from}"
            progress.tell(progress.Event("line", "lock", told))
        now = ledger.read(run.gateway)
        if (now.version if now else "") != (run.ledger.version if run.ledger else ""):
            again(run)
        _recorded(run, lock.taken_over_from)
        yield


def _recorded(run: Run, taken_from: str) -> None:
    """Whom the lock was taken over from, in the ledger and for the outcome.

    Where no migration is open yet, it is recorded with the approval, before the first change.
    """
    entry = run.ledger
    if not taken_from or entry is None or not entry.is_open:
        return
    if taken_from not in entry.takeovers:
        run.note(takeovers=(*entry.takeovers, taken_from))
    run.story.done(f"the lock, Lease kube-system/nftwave: taken over from {taken_from}")


def clear_lock(run: Run) -> None:
    """Before a run ends that finds nothing to do: no lock is left of one that was killed."""
    left = give_back_left(run.gateway)
    if left:
        told = f"given back for {left}, which has ended"
        progress.tell(progress.Event("line", "lock", told))
