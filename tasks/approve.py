"""Ask a person: before the first change, on the canary's evidence, and when too many nodes failed.

The run pauses with a form in the Prefect UI. Every field of it is required and has no default:
resuming with an empty form would otherwise count as a yes, and so would a Retry of a run that was
never approved. The key of the pause holds the plan's hash and the run count, so that an answer to
another plan, or to an earlier attempt, is not taken for this one (measured, Prefect 3.9.1).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from nftwave import progress, report
from nftwave.errors import NotApproved
from nftwave.ledger import Approval

if TYPE_CHECKING:
    from nftwave.errors import NftwaveError
    from tasks.run import Run

How = Literal["ui", "auto"]
_NAME = "Your name. It is recorded as claimed: Prefect does not prove it."
_REASON = "Why, for whoever reads this later."


class ApprovalForm(RunInput):
    """Approve or reject the plan that the description shows."""

    decision: Literal["approve", "reject"] = Field(
        description="approve: the changes shown are made. reject: nothing is changed."
    )
    approver: str = Field(description=_NAME, min_length=2, pattern=r"\S")
    reason: str = Field(description=_REASON, min_length=2, pattern=r"\S")


class CanaryForm(RunInput):
    """Go on, stop or go back, on the evidence that the description shows."""

    decision: Literal["approve", "reject", "rollback"] = Field(
        description="approve: the other nodes follow, batch by batch. reject: it stops here and"
        " everything is left as it is. rollback: the canary goes back to ipvs."
    )
    approver: str = Field(description=_NAME, min_length=2, pattern=r"\S")
    reason: str = Field(description=_REASON, min_length=2, pattern=r"\S")


class FailureForm(RunInput):
    """Go back or stay, after nodes have failed."""

    decision: Literal["rollback", "reject"] = Field(
        description="rollback: all changed nodes go back to ipvs. reject: everything is left as it"
        " is, and held."
    )
    approver: str = Field(description=_NAME, min_length=2, pattern=r"\S")
    reason: str = Field(description=_REASON, min_length=2, pattern=r"\S")


Form = ApprovalForm | CanaryForm | FailureForm


def approve(run: Run, how: How) -> Approval:
    """Wait for a person's decision on the plan; not a task, because it pauses the flow run.

    Raises:
        NotApproved: rejected, or nobody answered within policy.deadlines.approval seconds.
    """
    run.story.where = "waiting for approval"
    with progress.step("approval", f"of plan {run.plan.short_hash}") as now:
        if how == "auto":
            approval = _given_by_itself(run, "plan")
            now.end("given by --approve auto; no person was asked")
        else:
            text = report.approval_markdown(run.plan, run.story.findings, run.story.told_unchanged)
            form = ApprovalForm.with_initial_data(description=text)
            _say_where(now, run)
            approval = _ask(run, form, gate="plan")
            now.end(f"{approval.decision} by {approval.approver}: {approval.reason}")
        if approval.decision != "approve":
            raise NotApproved(
                f"plan {run.plan.short_hash} was rejected by {approval.approver}:"
                f" {approval.reason}",
                cluster=run.name,
                unchanged=run.story.told_unchanged,
                next_step="mend what the reason names, then start it again",
            )
    return approval


def approve_canary(run: Run, how: How) -> Approval:
    """Wait for a person's decision on the canary's evidence.

    Returns:
        The decision, which is `approve` or `rollback`.

    Raises:
        NotApproved: rejected, or nobody answered in time; everything is left as it is.
    """
    run.story.where = "waiting for the yes to the canary"
    with progress.step("approval", "of the other nodes, on the canary's evidence") as now:
        if how == "auto":
            approval = _given_by_itself(run, "canary")
            now.end("given by --approve auto; no person was asked")
            return approval
        text = report.canary_markdown(run.plan, tuple(run.flipped.values()))
        _say_where(now, run, "--reject | --rollback")
        form = CanaryForm.with_initial_data(description=text)
        approval = _ask(run, form, gate="canary")
        now.end(f"{approval.decision} by {approval.approver}: {approval.reason}")
        if approval.decision == "reject":
            raise NotApproved(
                f"{approval.approver} said no to the other nodes: {approval.reason}",
                cluster=run.name,
                unchanged=_STAYS,
                next_step="mend what the reason names, then go on or back",
            )
    return approval


def ask_after_failure(run: Run, error: NftwaveError, how: How) -> bool:
    """Whether a person wants all changed nodes back in ipvs; without an answer nothing is done."""
    if how == "auto":
        return False
    run.story.where = "waiting for the answer to a failure"
    with progress.step("approval", "roll back?") as now:
        text = report.failure_markdown(run.plan, str(error), tuple(run.flipped.values()))
        now.line("here --rollback and --reject are the answers")
        _say_where(now, run, "--reject | --rollback")
        form = FailureForm.with_initial_data(description=text)
        approval = _ask(run, form, gate="failure")
        now.end(f"{approval.decision} by {approval.approver}: {approval.reason}")
    return approval.decision == "rollback"


_STAYS = "the canary stays in nftables mode, all other nodes in ipvs, and kube-proxy is held"


def _say_where(now: progress.Step, run: Run, otherwise: str = "--reject") -> None:
    deadline = run.cluster.policy.deadlines.approval
    now.line(f"waiting for a person, at most {deadline:.0f} s: {_url()}")
    now.line(f"or: nftwave approve {flow_run.id} --approver NAME --reason TEXT [{otherwise}]")


def _ask(run: Run, form: type[Form], *, gate: str) -> Approval:
    deadline = run.cluster.policy.deadlines.approval
    # An answer given once is not taken a second time, also where the same plan comes up again.
    run.asked += 1
    try:
        answer: Form = pause_flow_run(
            wait_for_input=form,
            timeout=max(1, int(deadline)),
            poll_interval=1,
            key=f"{gate}-{run.plan.hash}-{flow_run.run_count}-{run.asked}",
        )
    except FlowPauseTimeout as error:
        raise NotApproved(
            f"nobody answered within {deadline:.0f} s",
            cluster=run.name,
            unchanged=run.story.told_unchanged if gate == "plan" else _STAYS,
            next_step="start it again when somebody is there to answer,"
            " or raise policy.deadlines.approval",
        ) from error
    return _approval(run, answer.decision, answer.approver.strip(), answer.reason.strip(), gate)


def _given_by_itself(run: Run, gate: str) -> Approval:
    return _approval(run, "approve", "nobody", "the run was started with it", gate, by="auto")


def _approval(
    run: Run, decision: str, approver: str, reason: str, gate: str, by: str = "ui"
) -> Approval:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    given = Approval(decision, approver, reason, run.plan.hash, at, by, gate)
    run.story.approvals.append(given)
    if gate != "plan" and run.ledger is not None:
        # Also a no. The answer to a plan is written down with the plan, before the first change.
        run.record(replace(run.ledger, approvals=(*run.ledger.approvals, given)))
    return given


def _url() -> str:
    return str(flow_run.ui_url or flow_run.id)
