"""Know before touching: facts of the cluster and of each node, then judgement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.artifacts import create_markdown_artifact

from nftwave import progress, report
from nftwave.findings import Severity, judge, refuse_blockers
from nftwave.look import look
from nftwave.outcome import counted
from tasks.step import step

if TYPE_CHECKING:
    from tasks.run import Run


@step("preflight {run.name}")
def preflight(run: Run) -> None:
    """Read the cluster and probe its nodes; change nothing.

    Raises:
        Blocked: something would break.
    """
    run.story.where = "preflight"
    with progress.step("preflight", f"reading {run.name} and asking each node") as now:
        answered: list[str] = []

        def seen(node: str, what: str) -> None:
            answered.append(node)
            if what != "answered":
                now.line(f"{node}: {what}")
            now.now(f"{counted(len(answered), 'node')} asked")

        run.facts = look(run.cluster, run.gateway, seen=seen)
        run.ledger = run.facts.ledger
        findings = run.story.findings = judge(run.facts)
        create_markdown_artifact(
            key=f"{run.name}-findings",
            markdown=report.findings_markdown(run.name, findings),
            description=f"What preflight found in {run.name}",
        )
        refuse_blockers(run.name, findings)
        warnings = sum(f.severity is Severity.WARNING for f in findings)
        nodes, warned = counted(len(run.facts.probes), "node"), counted(warnings, "warning")
        now.end(f"{nodes} answered; no blockers, {warned}")
