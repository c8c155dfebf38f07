"""The program's own errors.

Every way in which a migration can stop has a class here, for two reasons. A caller decides by
class, never by the wording of somebody else's exception: what may pass by itself is retried, what
a person has to mend is shown to them. And whoever reads the message at night needs the same four
things each time: what happened, to which cluster and node, what was left unchanged, and what to do
next. Foreign exceptions (kubernetes, paramiko, pydantic, …) are therefore caught where they arise,
in `kube/`, `node/` and `fleet.py`, and raised again `from` the original as one of these.

    NftwaveError                 exit 1
    ├── BadInput                 exit 2   a file, option or name given by the user is wrong
    ├── Blocked                  exit 3   preflight found what would break; nothing was changed
    ├── NotApproved              exit 4   rejected, or nobody answered in time; nothing was changed
    ├── Conflict                 exit 1   the cluster is no longer what was read or approved
    ├── Unreachable              exit 1   a node or an API server did not answer: nothing is known
    ├── RolloutFailed            exit 1   a successor pod did not come up
    ├── NotVerified              exit 1   at least one node is failed or unknown
    └── ApiError                 exit 1   the API server answered with an error (`kube/`)
"""

from __future__ import annotations


class NftwaveError(Exception):
    """Root of all errors of this program.

    Attributes:
        what: what happened, one sentence.
        cluster: the cluster it happened to, if known.
        node: the node it happened to, if it was one node.
        unchanged: what was left as it was, one sentence, if that is known.
        next_step: what the user can do now, one sentence or command.
    """

    exit_status = 1

    def __init__(
        self,
        what: str,
        *,
        cluster: str | None = None,
        node: str | None = None,
        unchanged: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.cluster = cluster
        self.node = node
        self.unchanged = unchanged
        self.next_step = next_step

    def __str__(self) -> str:
        where = "/".join(part for part in (self.cluster, self.node) if part)
        return f"{where}: {self.what}" if where else self.what

    def lines(self) -> list[str]:
        """The message for a person, one line an aspect; the first line says what happened."""
        return [
            str(self),
            *([f"unchanged: {self.unchanged}"] if self.unchanged else []),
            *([f"next: {self.next_step}"] if self.next_step else []),
        ]


class BadInput(NftwaveError):
    """Something the user gave is wrong; says file, line and field where there are any."""

    exit_status = 2

    def __init__(
        self,
        what: str,
        *,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        next_step: str | None = None,
    ) -> None:
        super().__init__(what, next_step=next_step)
        self.file = file
        self.line = line
        self.field = field

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(part for part in (place, self.field, self.what) if part)


class Blocked(NftwaveError):
    """Preflight found blockers; nothing was changed."""

    exit_status = 3


class NotApproved(NftwaveError):
    """A person said no, or nobody answered before the deadline; nothing was changed."""

    exit_status = 4


class Conflict(NftwaveError):
    """The cluster is no longer what was read or approved; nothing was overwritten."""


class Unreachable(NftwaveError):
    """No answer: neither passed nor failed, and nothing is known."""


class RolloutFailed(NftwaveError):
    """A successor pod of kube-proxy did not come up."""


class NotVerified(NftwaveError):
    """At least one node did not prove itself: it failed, or its state is unknown."""
