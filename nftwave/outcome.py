"""How a run ended, for people and for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from nftwave.evidence import NodeVerdict, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.errors import NftwaveError
    from nftwave.findings import Finding
    from nftwave.ledger import Approval


@dataclass(frozen=True)
class Outcome:
    """What happened to a cluster in one run.

    Attributes:
        status: `done`, `already-done`, `blocked`, `not-approved`, `failed`, `interrupted`.
        exit_status: of the command that ran it.
        what: what happened, in one or two sentences.
        changed: each change that was made to the cluster, in order.
        next_step: what to do now; empty where there is nothing to do.
    """

    cluster: str
    status: str
    exit_status: int
    what: str
    changed: tuple[str, ...] = ()
    next_step: str = ""
    plan_hash: str = ""
    approval: Approval | None = None
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
        if self.changed:
            lines.append("Changed: " + "; ".join(self.changed) + ".")
        elif self.status != "already-done":
            lines.append(self.unchanged)
        if self.approval:
            a = self.approval
            lines.append(f"Approved by {a.approver} ({a.by}): {a.reason}")
        if self.next_step:
            lines.append(f"Next: {self.next_step}")
        return lines


@dataclass
class Story:
    """What a run has done so far: the source of its outcome, however it ends."""

    cluster: str
    changed: list[str] = field(default_factory=list)
    findings: tuple[Finding, ...] = ()
    verdicts: list[NodeVerdict] = field(default_factory=list)
    plan_hash: str = ""
    approval: Approval | None = None
    where: str = "before the first step"

    def done(self, change: str) -> None:
        """Remember a change that was made to the cluster."""
        self.changed.append(change)

    def _end(self, status: str, exit_status: int, what: str, next_step: str = "") -> Outcome:
        return Outcome(
            cluster=self.cluster,
            status=status,
            exit_status=exit_status,
            what=what,
            changed=tuple(self.changed),
            next_step=next_step,
            plan_hash=self.plan_hash,
            approval=self.approval,
            findings=self.findings,
            verdicts=tuple(sorted(self.verdicts, key=lambda v: v.node)),
        )

    def ended(self, verdicts: Sequence[NodeVerdict], *, migrated: bool) -> Outcome:
        """The run came to its end: every node has a verdict."""
        self.verdicts = list(verdicts)
        open_ones = [v for v in verdicts if v.standing is not Standing.VERIFIED]
        if open_ones:
            return self._end("failed", 1, _not_all(self.cluster, verdicts), _how_on(open_ones))
        count = len(verdicts)
        nodes = f"{count} node{'s' if count != 1 else ''}"
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
        next_step = error.next_step or ""
        if self.changed:
            next_step = "; ".join(part for part in (next_step, GO_BACK) if part)
        return self._end(status, error.exit_status, str(error), next_step)

    def interrupted(self, by: str) -> Outcome:
        """Somebody stopped the run."""
        what = f"{self.cluster}: stopped by {by} during {self.where}."
        next_step = "run the same command again to go on"
        if self.changed:
            next_step += f"; {GO_BACK}"
        return self._end("interrupted", 1, what, next_step)


GO_BACK = (
    "to go back, put the original config.conf back"
    " (`kubectl -n kube-system get cm nftwave -o jsonpath='{.data.original\\.config\\.conf}'`"
    " shows it) and restart kube-proxy on the nodes that changed"
)


def with_url(outcome: Outcome, url: str) -> Outcome:
    """The outcome with the link to its run."""
    return replace(outcome, run_url=url)


def _not_all(cluster: str, verdicts: Sequence[NodeVerdict]) -> str:
    failed = [v for v in verdicts if v.standing is Standing.FAILED]
    unknown = [v for v in verdicts if v.standing is Standing.UNKNOWN]
    verified = len(verdicts) - len(failed) - len(unknown)
    parts = [f"{verified} of {len(verdicts)} nodes verified"]
    if failed:
        parts.append(f"{len(failed)} failed ({_named(failed)})")
    if unknown:
        parts.append(f"{len(unknown)} unknown ({_named(unknown)})")
    return f"{cluster}: {', '.join(parts)}."


def _named(verdicts: Sequence[NodeVerdict]) -> str:
    shown = ", ".join(f"{v.node}: {v.why()}" for v in verdicts[:3])
    return shown + (f", and {len(verdicts) - 3} more" if len(verdicts) > 3 else "")


def _how_on(open_ones: Sequence[NodeVerdict]) -> str:
    node = open_ones[0]
    evidence = next(iter(node.against()), None)
    look = f"look at {node.node}: `{evidence.command}`; " if evidence else ""
    return f"{look}mend it, then `nftwave verify` looks again without changing anything"
