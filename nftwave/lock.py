"""One process at a time works on a cluster: the Lease kube-system/nftwave, held and renewed.

    | the Lease                               | what comes of it                                  |
    |-----------------------------------------|---------------------------------------------------|
    | is not there, or names nobody           | taken                                             |
    | names a process of this machine that    | taken over at once                                |
    | has ended                               |                                                   |
    | was renewed within its duration         | `Held`                                            |
    | was not, by our clock                   | watched for `WATCHED` seconds, then taken over if |
    |                                         | nobody renewed it: clocks of two machines differ  |

Each is written under the resourceVersion that was read, so of several takers one wins.
"""

from __future__ import annotations

import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from nftwave import lease, progress
from nftwave.errors import Conflict
from nftwave.kube.errors import ApiConflict, ApiError, ApiUnavailable
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import LEASES

if TYPE_CHECKING:
    from nftwave.holder import Holder
    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object
    from nftwave.lease import Lease

DURATION = 30.0
"""Seconds after its last renewal for which the lock is ours."""
RENEW = 10.0
"""Seconds between two renewals."""
FRESH = 12.0
"""Seconds since the last renewal within which a change may be begun."""
WATCHED = 15.0
"""Seconds for which a Lease that looks abandoned is watched. More than `FRESH`: whoever could not
renew for so long begins nothing any more, whatever its clock says."""
LOOK = 2.0
"""Seconds between two looks at it meanwhile."""
ANSWER_WITHIN = 5.0
"""Seconds for one answer to a renewal: one that hangs must leave time for the next."""
ATTEMPTS = 8
RELEASE_ATTEMPTS = 3
LONGEST_WAIT = 2.0
"""Seconds between two attempts, where the server does not ask for more."""

_OURS: set[str] = set()
"""Tokens of the locks that this process has: what else names it was left behind."""


class Held(Conflict):
    """Another process works on the cluster."""


class Lock:
    """The lock on one cluster, from entering to leaving.

    Args:
        holder: this process, for those who find it taken.
        purpose: what the lock is for, in a word or two, such as `migrate`.

    Attributes:
        taken_over_from: whom the lock was taken over from and why, in words; empty where it was
            free.
        lost: set when it is no longer ours; `lost_because` says why.
    """

    def __init__(self, gateway: Gateway, *, holder: Holder, purpose: str) -> None:
        self._gateway = gateway
        self._brisk = gateway.brisk(ANSWER_WITHIN)
        self._holder = holder
        self._purpose = purpose
        self._token = uuid.uuid4().hex
        self._turn = threading.Condition()
        self._asked = self._leaving = self._unsure = False
        self._renewed = 0.0
        self._object: Object = {}
        self._thread: threading.Thread | None = None
        self.taken_over_from = ""
        self.lost = threading.Event()
        self.lost_because = ""

    def __enter__(self) -> Self:
        """Take it and begin to renew it.

        Raises:
            Held: another process has it.
            ApiError: the API server refused or stayed away.
        """
        _OURS.add(self._token)
        try:
            self._object = self._take()
        except BaseException:
            _OURS.discard(self._token)
            raise
        self._thread = threading.Thread(target=self._keep, name="lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back, if it is still ours; what cannot be given back expires."""
        with self._turn:
            self._leaving = True
            self._turn.notify_all()
        if self._thread:
            # Else a renewal under way would take back what is given back here.
            self._thread.join(2 * ANSWER_WITHIN)
        with suppress(Exception):
            self._release()
        _OURS.discard(self._token)

    def check(self) -> None:
        """Return when the lock is surely ours; to be called before each change.

        Waits while a renewal is overdue: this process may have been stopped, or its machine asleep.

        Raises:
            Conflict: the lock was lost; nothing may be changed any more.
        """
        with self._turn:
            self._asked = self._age() > FRESH
            while not self.lost.is_set() and (self._age() > FRESH or self._leaving):
                if self._leaving or not (self._thread and self._thread.is_alive()):
                    self._lose("nothing renews it")
                    break
                self._turn.notify_all()
                self._turn.wait(LOOK)
        if self.lost.is_set():
            raise Conflict(
                f"the lock was lost: {self.lost_because}",
                cluster=self._gateway.cluster,
                unchanged="this run changes nothing from here on",
                next_step=f"`nftwave status {self._gateway.cluster}` tells who works on it now;"
                " the same command goes on where this run stopped",
            )

    # Taking

    def _take(self) -> Object:
        """Write ourselves into the Lease; the Lease as written."""
        over = ""
        for attempt in range(ATTEMPTS):
            found = lease.read(self._gateway)
            if found and found.token == self._token:  # written, but the answer was lost
                self.taken_over_from = over
                return found.object
            over = self._may_take(found) if found else ""
            body = lease.taken(
                found,
                self._holder,
                purpose=self._purpose,
                token=self._token,
                duration=DURATION,
            )
            self._renewed = _now()
            try:
                written = self._write(body, new=found is None)
            except ApiConflict:
                continue  # somebody was quicker: who, is read next
            except ApiUnavailable as error:
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(_wait(error, attempt))
                continue
            self.taken_over_from = over
            return written
        raise Conflict(
            f"Lease {KUBE_SYSTEM}/{lease.NAME}, the lock, changes each time it is to be taken",
            cluster=self._gateway.cluster,
            unchanged="this run changed nothing",
            next_step="see that no two runs are started at once, then run this again",
        )

    def _write(self, body: Object, *, new: bool) -> Object:
        if new:
            return self._gateway.create(LEASES, body, KUBE_SYSTEM)
        return self._gateway.replace(LEASES, body)

    def _may_take(self, found: Lease) -> str:
        """Whom it is taken over from, in words, empty where it is free; raises Held."""
        if not found.identity:
            return ""
        if self._was_left(found):
            return f"{found.who()}, which has ended; it held the lock {found.since()}"
        age = None if found.renewed is None else time.time() - found.renewed
        if age is not None and 0 <= age <= (found.duration or DURATION):
            raise self._held(found)
        began = time.monotonic()
        if not self._is_abandoned(found):
            return ""
        watched = f"and not within the {time.monotonic() - began:.0f} s for which it was watched"
        return f"{found.who()}, which held the lock {found.since()} {watched}"

    def _was_left(self, found: Lease) -> bool:
        """Whether its holder has surely ended: it could not do anything any more."""
        if found.holder is None:
            return False
        is_this_process = found.holder.same_process(self._holder)
        return found.token not in _OURS if is_this_process else found.holder.has_ended()

    def _is_abandoned(self, found: Lease) -> bool:
        """Whether nobody renews it while we watch; False where it was given back. Raises Held."""
        progress.tell(
            progress.Event(
                "line",
                "lock",
                f"held by {found.who()} {found.since()}; watched for {WATCHED:.0f} s before it is"
                " taken over",
            )
        )
        until = time.monotonic() + WATCHED
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK, left))
            now = lease.read(self._gateway)
            if now is None or not now.identity:
                return False
            if not now.same_renewal(found):
                raise self._held(now)
        return True

    def _held(self, found: Lease) -> Held:
        cluster = self._gateway.cluster
        return Held(
            f"{found.who()} has the lock on this cluster {found.since()}",
            cluster=cluster,
            unchanged="this run changed nothing",
            next_step=f"wait until it ends and run this again; `nftwave status {cluster}` tells"
            " how far it is",
        )

    # Keeping

    def _keep(self) -> None:
        """Renew it until it is left or lost; the thread's body."""
        try:
            self._renew_until_left()
        except Conflict as error:
            self._lose(error.what)
        except Exception as error:  # noqa: BLE001 (a mistake here must not look like a lock)
            self._lose(f"{type(error).__name__}: {error}")

    def _renew_until_left(self) -> None:
        failed = 0
        wait, since = RENEW, 0.0
        while self._pause(wait):
            began = _now()
            try:
                self._renew()
            except ApiError as error:
                since = since if failed else began
                wait = _wait(error, failed)
                failed += 1
                # From the first attempt, not from the last renewal: a machine that wakes from
                # sleep finds its connections dead and may still have the lock.
                if _now() - since > DURATION - RENEW:
                    because = f"it could not be renewed for {self._age():.0f} s: {error.what}"
                    raise Conflict(because) from error
                continue
            failed, wait = 0, RENEW
            with self._turn:
                self._renewed = began
                self._turn.notify_all()

    def _pause(self, seconds: float) -> bool:
        """Wait for the next renewal, which `check` may ask for; False where it is time to leave."""
        with self._turn:
            self._turn.wait_for(lambda: self._leaving or self._asked, seconds)
            self._asked = False
            return not self._leaving

    def _age(self) -> float:
        """Seconds since it was renewed."""
        return _now() - self._renewed

    def _renew(self) -> None:
        """Renew it once.

        Raises:
            Conflict: it is somebody else's.
            ApiError: it was not renewed, or the answer was lost.
        """
        if self._unsure:
            # A renewal whose answer was lost, or a label set by hand, changes the version too.
            self._object = self._still_ours(lease.read(self._brisk))
        self._unsure = True
        self._object = self._brisk.replace(LEASES, lease.renewed(self._object))
        self._unsure = False

    def _still_ours(self, found: Lease | None) -> Object:
        if found and found.token == self._token:
            return found.object
        if found is None:
            raise Conflict(f"somebody deleted Lease {KUBE_SYSTEM}/{lease.NAME}")
        if not found.identity:
            raise Conflict(f"somebody emptied Lease {KUBE_SYSTEM}/{lease.NAME}")
        raise Conflict(f"{found.who()} has taken it over, {lease.ago(found.acquired)}")

    def _lose(self, because: str) -> None:
        with self._turn:
            self.lost_because = self.lost_because or because
            self.lost.set()
            self._turn.notify_all()

    def _release(self) -> None:
        for attempt in range(RELEASE_ATTEMPTS):
            try:
                found = lease.read(self._brisk)
                if found is None or found.token != self._token:
                    return
                self._brisk.replace(LEASES, lease.released(found.object))
            except ApiError as error:
                time.sleep(_wait(error, attempt))
            else:
                return


def give_back_left(gateway: Gateway) -> str:
    """Give back a lock that a process of this machine left behind when it ended.

    For whoever has nothing to do on the cluster and so takes no lock: else it would name somebody
    who is gone until the next migration.

    Returns:
        Who had it, in words; empty where nobody has, or where somebody may still be there.

    Raises:
        ApiError: the API server refused or stayed away.
    """
    found = lease.read(gateway)
    if found is None or not found.identity or not (found.holder and found.holder.has_ended()):
        return ""
    with suppress(ApiConflict):  # taken meanwhile
        gateway.replace(LEASES, lease.released(found.object))
        return found.who()
    return ""


def _wait(error: ApiError, failed: int) -> float:
    asked = error.retry_after if isinstance(error, ApiUnavailable) else 0
    return min(asked, RENEW) or min(0.25 * 2**failed, LONGEST_WAIT)


def _now() -> float:
    """Seconds that go on while the machine sleeps, which Linux' monotonic clock does not."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
