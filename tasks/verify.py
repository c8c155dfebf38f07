"""Prove each node after the change: one task run a node, seen in the UI."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from nftwave import progress, report
from nftwave.errors import BadInput, Unreachable
from nftwave.evidence import Expected, NodeVerdict, Standing
from nftwave.node.connect import SHARED
from nftwave.outcome import counted
from nftwave.prove import Subject, prove
from nftwave.reaching import opener
from nftwave.verify import silent, unreachable
from nftwave.witness import Witness

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture

    from nftwave.evidence import Mode
    from tasks.run import Run


class Proving:
    """What the task runs share. A plain class, so that Prefect does not walk through it."""

    def __init__(self, run: Run, witness: Witness, deadline: float, mode: Mode) -> None:
        self.run = run
        self.mode: Mode = mode
        self.witness = witness
        self.deadline = deadline
        # The task runner has a thread for every node that is submitted; how many nodes are looked
        # at together is the policy's to say.
        self.slots = threading.Semaphore(run.cluster.policy.parallelism)
        self._nodes = {node.name: node for node in run.facts.nodes}
        changed = run.plan.nodes if run.successors else ()
        self._replaced = {node.name: node.pod_uid for node in changed if node.pod_uid}

    def prove(self, name: str) -> NodeVerdict:
        """Look at one node until it is verified or its time is over."""
        cluster, expected = self.run.cluster, self._expected(name)
        try:
            way = opener(
                cluster,
                self._nodes[name],
                gateway=self.run.gateway,
                pod=partial(self.witness.pod, name),
                jumps=SHARED,
            )
        except BadInput as error:
            return unreachable(self.witness, name, Unreachable(str(error)), expected)
        return prove(
            self.witness,
            Subject(name, way, expected),
            deadline=self.deadline,
            probe_deadline=cluster.policy.deadlines.probe,
        )

    def _expected(self, name: str) -> Expected:
        return Expected(
            self.run.facts.must_serve,
            replaced_uid=self._replaced.get(name),
            silent_before=silent(self.run.facts.probes.get(name)),
            deadline=self.deadline,
            mode=self.mode,
        )


@task(task_run_name="verify {node} in {name}", cache_policy=NO_CACHE, persist_result=False)
def verify_node(proving: Proving, name: str, node: str) -> NodeVerdict:  # noqa: ARG001 (the run's name)
    """Look at one node until it is verified or its time is over.

    Not verified ends the task run as Failed, or as Unknown, with the reason; the verdict is its
    result either way.
    """
    try:
        verdict = proving.prove(node)
        if proving.run.meters:
            verdict = replace(verdict, interruption=proving.run.meters.stop(node))
        elif node in proving.run.flipped:
            # Measured when it had its turn; now it is only looked at again.
            verdict = replace(verdict, interruption=proving.run.flipped[node].interruption)
    finally:
        proving.slots.release()
    return as_state(verdict)


def as_state(verdict: NodeVerdict) -> NodeVerdict:
    """What a task run returns that has a verdict: not verified ends it as Failed, or as Unknown."""
    if verdict.standing is Standing.VERIFIED:
        return verdict
    state = "Failed" if verdict.standing is Standing.FAILED else "Unknown"
    # Prefect unwraps a returned state; its types do not know that.
    return Failed(name=state, message=verdict.why(), data=verdict)  # type: ignore[return-value]


def verify_nodes(
    run: Run, *, deadline: float | None = None, mode: Mode = "nftables"
) -> Sequence[NodeVerdict]:
    """Prove all nodes in parallel, at most policy.parallelism at once.

    Args:
        deadline: seconds for each node; the policy's where None.
        mode: that each has to prove.
    """
    run.story.where = "verification"
    run.story.verdicts = []
    allowed = run.cluster.policy.deadlines.verify if deadline is None else deadline
    nodes = [n.name for n in run.facts.targets]
    with (
        progress.step("verify", f"asking {counted(len(nodes), 'node')} for evidence") as now,
        Witness(run.gateway) as witness,
    ):
        proving = Proving(run, witness, allowed, mode)
        futures = [_submit(proving, node) for node in nodes]
        for future in futures:
            verdict = future.result(raise_on_failure=False)
            if isinstance(verdict, BaseException):
                raise verdict
            run.story.verdicts.append(verdict)
            now.line(f"{verdict.node}: {verdict.standing}: {verdict.why()}")
            if verdict.interruption:
                now.line(f"{verdict.node}: {verdict.interruption.words()}")
        verdicts = run.verdicts = tuple(run.story.verdicts)
        run.artifacts.table(
            "nodes",
            report.verdict_rows(verdicts)[: report.SHOWN],
            f"Verdict and evidence of each node of {run.name}",
        )
        verified = sum(v.standing is Standing.VERIFIED for v in verdicts)
        now.end(f"{verified} of {len(verdicts)} nodes verified")
    return verdicts


def _submit(proving: Proving, node: str) -> PrefectFuture[NodeVerdict]:
    """Begin with a node when it is its turn."""
    # The task gives it back. One that Prefect lost never does, and must not hold up the others.
    longest = proving.deadline + 2 * proving.run.cluster.policy.deadlines.probe
    proving.slots.acquire(timeout=longest)
    return verify_node.submit(proving, proving.run.name, node)
