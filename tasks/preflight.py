"""Know before touching: facts of the cluster and of each node, then judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave import progress, report
from nftwave.findings import Severity, judge, refuse_blockers
from nftwave.look import look
from nftwave.outcome import counted
from nftwave.plan import make_plan
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.progress import Step
    from tasks.run import Run


@step("preflight {run.name}")
def preflight(run: Run) -> None:
    """Read the cluster and probe its nodes; change nothing.

    Raises:
        Blocked: something would break.
    """
    run.story.where = "preflight"
    with progress.step("preflight", f"reading {run.name} and asking each node") as now:
        _look_and_judge(run, now)
        warnings = sum(f.severity is Severity.WARNING for f in run.story.findings)
        nodes, warned = counted(len(run.facts.probes), "node"), counted(warnings, "warning")
        now.end(f"{nodes} answered; no blockers, {warned}")


@step("look again at {run.name} after the approval")
def still_as_approved(run: Run) -> bool:
    """Whether the cluster is still what the approved plan was made for; looks at it anew.

    Hours may lie between plan and approval. What has moved by itself (pods replaced, a label) is
    taken in; whatever makes another plan has to be approved anew.

    Raises:
        Blocked: something would break that would not have before.
    """
    run.story.where = "the second look before the change"
    with progress.step("recheck", "looking again before the change") as now:
        _look_and_judge(run, now)
        fresh = make_plan(run.facts)
        if fresh.hash != run.plan.hash:
            now.end(f"the cluster has changed: plan {run.plan.short_hash} no longer holds")
            return False
        run.plan = fresh
        now.end("the cluster is still what was approved")
    return True


def _look_and_judge(run: Run, now: Step) -> None:
    answered: list[str] = []

    def seen(node: str, what: str) -> None:
        answered.append(node)
        if what != "answered":
            now.line(f"{node}: {what}")
        now.now(f"{counted(len(answered), 'node')} asked")

    run.saw(look(run.cluster, run.gateway, seen=seen))
    findings = run.story.findings = judge(run.facts)
    run.artifacts.markdown(
        "findings",
        report.findings_markdown(run.name, findings),
        f"What preflight found in {run.name}",
    )
    refuse_blockers(run.name, findings)
