"""Work out what will be done, and show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave import progress, report
from nftwave.plan import make_plan
from tasks.step import step

if TYPE_CHECKING:
    from tasks.run import Run


@step("plan {run.name}")
def plan(run: Run) -> None:
    """Freeze the plan and publish it with its diff."""
    run.story.where = "planning"
    with progress.step("plan", "editing config.conf") as now:
        run.plan = make_plan(run.facts)
        run.story.plan_hash = run.plan.hash
        run.artifacts.markdown(
            "plan",
            report.plan_markdown(run.plan),
            f"Plan {run.plan.short_hash} for {run.name}",
        )
        now.end(f"plan {run.plan.short_hash}: {report.plan_summary(run.plan)}")
