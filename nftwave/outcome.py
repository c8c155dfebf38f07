"""How a run ended, for people and for machines."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nftwave.evidence import NodeVerdict, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nftwave.errors import NftwaveError
    from nftwave.findings import Finding
    from nftwave.ledger import Approval


@dataclass(frozen=True)
class Outcome:
    """What happened to a cluster in one run.

    Attributes:
        status: `done`, `already-done`, `blocked`, `not-approved`, `failed`, `interrupted`,
            `rolled-back`.
        exit_status: of the command that ran it.
        what: what happened, in one or two sentences.
        changed: each change that was made to the cluster, in order.
        state: where the cluster stands now, in a sentence; empty where that needs no saying.
        next_steps: what can be done now, one a line; empty where there is nothing to do.
    """

    cluster: str
    status: str
    exit_status: int
    what: str
    changed: tuple[str, ...] = ()
    state: str = ""
    next_steps: tuple[str, ...] = ()
    plan_hash: str = ""
    approvals: tuple[Approval, ...] = ()
    findings: tuple[Finding, ...] = ()
    verdicts: tuple[NodeVerdict, ...] = ()
    run_url: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON and YAML."""
        return asdict(self)

    @property
    def unchanged(self) -> str:
        """What was left as it was, in a sentence; empty where that needs no saying."""
        return "" if self.changed else "Nothing in the cluster was changed."

    def words(self) -> list[str]:
        """The outcome for a person, a line a thought."""
        lines = [self.what]
        if self.status != "already-done" and not self.changed:
            lines.append(self.unchanged)
        lines += [f"Changed: {change}" for change in self.changed]
        if self.state:
            lines.append(self.state)
        for a in self.approvals:
            about = "the plan" if a.gate == "plan" else f"the {a.gate}"
            lines.append(f"{_SAID[a.decision]} {about} by {a.approver} ({a.by}): {a.reason}")
        measured = [(v.node, v.interruption) for v in self.verdicts if v.interruption]
        lines += [f"Interruption on {node}: {found.words()}" for node, found in measured[:3]]
        return [*lines, *(f"Next: {step}" for step in self.next_steps)]


_SAID = {"approve": "Approved:", "reject": "Rejected:", "rollback": "Asked to roll back:"}


@dataclass
class Change:
    """A change under way; `made` is set to False where it turns out to have been made before."""

    made: bool = True


@dataclass
class Story:
    """What a run has done so far: the source of its outcome, however it ends.

    Attributes:
        called: how a command names the cluster, such as `prod --fleet fleet.yaml`.
        state: where the cluster stands, in words, once something was changed.
    """

    cluster: str
    called: str = ""
    state: str = ""
    changed: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)
    """Changes that were begun and of which it is not known whether they were made."""
    findings: tuple[Finding, ...] = ()
    verdicts: list[NodeVerdict] = field(default_factory=list)
    plan_hash: str = ""
    approvals: list[Approval] = field(default_factory=list)
    where: str = "before the first step"

    @contextmanager
    def changing(self, change: str) -> Iterator[Change]:
        """Remember a change that is being made; told as made, or as perhaps made."""
        self.unsure.append(change)
        told = Change()
        yield told
        self.unsure.remove(change)
        if told.made:
            self.changed.append(change)

    @property
    def told_unchanged(self) -> str:
        """What was left as it was, in a few words."""
        if self.changed or self.unsure:
            return "nothing was changed since this was asked"
        return "nothing was changed"

    def done(self, change: str) -> None:
        """Remember a change that was made to the cluster."""
        self.changed.append(change)

    def _end(self, status: str, exit_status: int, what: str, *next_steps: str) -> Outcome:
        perhaps = (f"{change} (perhaps: its answer was lost)" for change in self.unsure)
        changed = (*self.changed, *perhaps)
        back = [self.go_back] if changed and exit_status in {1, 4} else []
        return Outcome(
            cluster=self.cluster,
            status=status,
            exit_status=exit_status,
            what=what,
            changed=changed,
            next_steps=(*next_steps, *back),
            state=self.state if exit_status else "",
            plan_hash=self.plan_hash,
            approvals=tuple(self.approvals),
            findings=self.findings,
            verdicts=tuple(sorted(self.verdicts, key=lambda v: v.node)),
        )

    def ended(self, verdicts: Sequence[NodeVerdict], *, migrated: bool) -> Outcome:
        """The run came to its end: every node has a verdict."""
        self.verdicts = list(verdicts)
        open_ones = [v for v in verdicts if v.standing is not Standing.VERIFIED]
        if open_ones:
            return self._end("failed", 1, _not_all(self.cluster, verdicts), *_how_on(open_ones))
        nodes = counted(len(verdicts), "node")
        if migrated:
            what = (
                f"{self.cluster}: kube-proxy runs in nftables mode on all {nodes}."
                " Each one proved it: its rules are in the kernel, its Services are in them,"
                " and nothing of ipvs is left."
            )
            return self._end("done", 0, what)
        what = f"{self.cluster}: already in nftables mode; all {nodes} proved it again."
        return self._end("already-done", 0, what)

    def broke(self, error: NftwaveError) -> Outcome:
        """The run was ended by one of our errors."""
        status = {3: "blocked", 4: "not-approved"}.get(error.exit_status, "failed")
        next_steps = [error.next_step] if error.next_step else []
        if self.changed or self.unsure:
            next_steps.append(self.go_on)
        return self._end(status, error.exit_status, str(error), *next_steps)

    def crashed(self, error: BaseException) -> Outcome:
        """Something broke that this program did not expect."""
        what = (
            f"{self.cluster}: broke off during {self.where}, by a mistake of this program:"
            f" {type(error).__name__}: {error}"
        )
        return self._end("failed", 1, what, self.go_on, "report it, with this line")

    def interrupted(self, by: str) -> Outcome:
        """Somebody stopped the run."""
        what = f"{self.cluster}: stopped by {by} during {self.where}."
        return self._end("interrupted", 1, what, self.go_on)

    def rolled_back(self, verdicts: Sequence[NodeVerdict], why: str) -> Outcome:
        """All changed nodes were taken back: every node has a verdict on ipvs."""
        self.verdicts = list(verdicts)
        open_ones = [v for v in verdicts if v.standing is not Standing.VERIFIED]
        because = f" {why}" if why else ""
        if open_ones:
            told = _not_all(self.cluster, verdicts, "in ipvs mode again")
            return self._end("failed", 1, f"{told}{because}", *_how_on(open_ones))
        nodes = counted(len(verdicts), "node")
        what = (
            f"{self.cluster}: rolled back. All {nodes} proved that they run ipvs again, and the"
            f" configuration is as it was.{because}"
        )
        self.state = ""
        return self._end("rolled-back", 5, what)

    @property
    def go_on(self) -> str:
        """The command that goes on."""
        return f"to go on: nftwave migrate {self.called} (continues where this run stopped)"

    @property
    def go_back(self) -> str:
        """The command that goes back."""
        return f"to go back: nftwave rollback {self.called}"


def counted(number: int, what: str, many: str = "") -> str:
    """`1 node`, `5 nodes`; of other plurals `many` is the word."""
    return f"{number} {what if number == 1 else many or f'{what}s'}"


def listed(names: Iterable[str], most: int = 10) -> str:
    """Names for people: the first ones, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return (", ".join(every[:most]) or "none") + more


def with_url(outcome: Outcome, url: str) -> Outcome:
    """The outcome with the link to its run."""
    return replace(outcome, run_url=url)


def _not_all(cluster: str, verdicts: Sequence[NodeVerdict], what: str = "verified") -> str:
    failed = [v for v in verdicts if v.standing is Standing.FAILED]
    unknown = [v for v in verdicts if v.standing is Standing.UNKNOWN]
    verified = len(verdicts) - len(failed) - len(unknown)
    parts = [f"{verified} of {len(verdicts)} nodes {what}"]
    if failed:
        parts.append(f"{len(failed)} failed ({_named(failed)})")
    if unknown:
        parts.append(f"{len(unknown)} unknown ({_named(unknown)})")
    return f"{cluster}: {', '.join(parts)}."


def _named(verdicts: Sequence[NodeVerdict]) -> str:
    shown = ", ".join(f"{v.node}: {v.why()}" for v in verdicts[:3])
    return shown + (f", and {len(verdicts) - 3} more" if len(verdicts) > 3 else "")


def _how_on(open_ones: Sequence[NodeVerdict]) -> list[str]:
    node = open_ones[0]
    look = [f"look at {node.node}: {e.command}" for e in node.against()[:1] if e.command]
    return [*look, "mend it, then `nftwave verify` looks again without changing anything"]
