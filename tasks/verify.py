"""Prove each node after the change: one task run a node, seen in the UI."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from nftwave import progress, report
from nftwave.errors import BadInput, Unreachable
from nftwave.evidence import Expected, NodeVerdict, Standing, judge
from nftwave.look import access_to
from nftwave.outcome import counted
from nftwave.prove import Subject, prove

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from tasks.run import Run


@task(task_run_name="verify {node} in {run.name}", cache_policy=NO_CACHE, persist_result=False)
def verify_node(run: Run, node: str, expected: Expected, deadline: float) -> NodeVerdict:
    """Look at one node until it is verified or its time is over.

    Not verified ends the task run as Failed, or as Unknown, with the reason; the verdict is its
    result either way.
    """
    pod = run.successors.get(node) or next((p for p in run.facts.pods if p.node == node), None)
    view = next(n for n in run.facts.nodes if n.name == node)
    try:
        access = access_to(run.cluster, view)
    except BadInput as error:
        why = Unreachable(str(error), node=node)
        verdict = judge(node, why, pod, None, expected, at=time.time())
    else:
        verdict = prove(
            run.gateway,
            Subject(node, access, pod, expected),
            deadline=deadline,
            probe_deadline=run.cluster.policy.deadlines.probe,
        )
    if verdict.standing is Standing.VERIFIED:
        return verdict
    name = "Failed" if verdict.standing is Standing.FAILED else "Unknown"
    # Prefect unwraps a returned state; its types do not know that.
    return Failed(name=name, message=verdict.why(), data=verdict)  # type: ignore[return-value]


def verify_nodes(run: Run, *, deadline: float | None = None) -> Sequence[NodeVerdict]:
    """Prove all nodes in parallel, at most policy.parallelism at once.

    Args:
        deadline: seconds for each node; the policy's where None.
    """
    run.story.where = "verification"
    allowed = run.cluster.policy.deadlines.verify if deadline is None else deadline
    nodes = [n.name for n in run.facts.targets]
    before = {} if not run.successors else {n.name: n.pod_uid for n in run.plan.nodes}
    with progress.step("verify", f"asking {counted(len(nodes), 'node')} for evidence") as now:
        futures: list[PrefectFuture[NodeVerdict]] = [
            verify_node.submit(run, node, Expected(run.facts.must_serve, before.get(node)), allowed)
            for node in nodes
        ]
        for future in futures:
            verdict = future.result(raise_on_failure=False)
            if isinstance(verdict, BaseException):
                raise verdict
            run.story.verdicts.append(verdict)
            now.line(f"{verdict.node}: {verdict.standing}: {verdict.why()}")
        verdicts = run.verdicts = tuple(run.story.verdicts)
        create_table_artifact(
            key=f"{run.name}-nodes",
            table=report.verdict_rows(verdicts)[: report.SHOWN],
            description=f"Verdict and evidence of each node of {run.name}",
        )
        verified = sum(v.standing is Standing.VERIFIED for v in verdicts)
        now.end(f"{verified} of {len(verdicts)} nodes verified")
    return verdicts
