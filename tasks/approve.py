"""Ask a person, before the first change.

The run pauses with a form in the Prefect UI. Every field of it is required and has no default:
resuming with an empty form would otherwise count as a yes, and so would a Retry of a run that was
never approved. The key of the pause holds the plan's hash and the run count, so that an answer to
another plan, or to an earlier attempt, is not taken for this one (measured, Prefect 3.9.1).
"""

from __future__ import annotations

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
    from tasks.run import Run

How = Literal["ui", "auto"]


class ApprovalForm(RunInput):
    """Approve or reject the plan that the description shows."""

    decision: Literal["approve", "reject"] = Field(
        description="approve: the changes shown are made. reject: nothing is changed."
    )
    approver: str = Field(
        description="Your name. It is recorded as claimed: Prefect does not prove it.",
        min_length=2,
        pattern=r"\S",
    )
    reason: str = Field(
        description="Why, for whoever reads this later.", min_length=2, pattern=r"\S"
    )


def approve(run: Run, how: How, attempt: int = 1) -> Approval:
    """Wait for a person's decision on the plan; not a task, because it pauses the flow run.

    Args:
        attempt: which time this run asks; an answer given once is not taken a second time, also
            where the same plan comes up again.

    Raises:
        NotApproved: rejected, or nobody answered within policy.deadlines.approval seconds.
    """
    run.story.where = "waiting for approval"
    deadline = run.cluster.policy.deadlines.approval
    with progress.step("approval", f"of plan {run.plan.short_hash}") as now:
        if how == "auto":
            approval = _approval(run, "approve", "nobody", "the run was started with it", "auto")
            now.end("given by --approve auto; no person was asked")
        else:
            now.line(f"waiting for a person, at most {deadline:.0f} s: {_url()}")
            now.line(f"or: nftwave approve {flow_run.id} --approver NAME --reason TEXT [--reject]")
            answer = _ask(run, deadline, attempt)
            approval = _approval(
                run, answer.decision, answer.approver.strip(), answer.reason.strip(), "ui"
            )
            now.end(f"{approval.decision} by {approval.approver}: {approval.reason}")
        run.story.approval = approval
        if approval.decision != "approve":
            raise NotApproved(
                f"plan {run.plan.short_hash} was rejected by {approval.approver}:"
                f" {approval.reason}",
                cluster=run.name,
                unchanged="nothing was changed",
                next_step="mend what the reason names, then start it again",
            )
    return approval


def _ask(run: Run, deadline: float, attempt: int) -> ApprovalForm:
    form = ApprovalForm.with_initial_data(
        description=report.approval_markdown(run.plan, run.story.findings)
    )
    try:
        return pause_flow_run(
            wait_for_input=form,
            timeout=max(1, int(deadline)),
            poll_interval=1,
            key=f"plan-{run.plan.hash}-{flow_run.run_count}-{attempt}",
        )
    except FlowPauseTimeout as error:
        raise NotApproved(
            f"nobody answered within {deadline:.0f} s",
            cluster=run.name,
            unchanged="nothing was changed",
            next_step="start it again when somebody is there to answer,"
            " or raise policy.deadlines.approval",
        ) from error


def _approval(run: Run, decision: str, approver: str, reason: str, by: str) -> Approval:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Approval(decision, approver, reason, run.plan.hash, at, by)


def _url() -> str:
    return str(flow_run.ui_url or flow_run.id)
