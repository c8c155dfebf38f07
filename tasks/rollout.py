"""Restart kube-proxy as kubectl does, and wait for each successor by watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from nftwave import progress
from nftwave.errors import NftwaveError
from nftwave.kube import rollout
from nftwave.outcome import counted
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.kube.objects import ProxyPod
    from nftwave.kube.rollout import Waiting
    from tasks.run import Run


@step("restart kube-proxy in {run.name}")
def restart_kube_proxy(run: Run) -> None:
    """Replace every kube-proxy pod, under the DaemonSet's own update strategy.

    Raises:
        RolloutFailed: a successor does not come up. The DaemonSet is then held (OnDelete), so
            that no further node is changed.
    """
    run.story.where = "the restart of kube-proxy"
    before = {node.name: node.pod_uid for node in run.plan.nodes}
    with (
        progress.step("rollout", f"restarting kube-proxy on {counted(len(before), 'node')}") as now,
        _held_if_it_breaks(run),
    ):
        at = run.plan.restarted_at or rollout.stamp()
        # Written before it is done: a rerun then knows the restart for its own, done or not.
        if run.ledger:
            run.record(replace(run.ledger, phase="restarted", restarted_at=at))
        run.story.done("kube-proxy's DaemonSet: restart requested")
        rollout.restart(run.gateway, at=at, strategy=run.plan.strategy_restored)
        bar: Any = create_progress_artifact(
            progress=0.0,
            key=f"{run.name}-rollout",
            description=f"kube-proxy restarted in {run.name}",
        )

        def report(done: Sequence[ProxyPod], waiting: Sequence[Waiting]) -> None:
            if len(done) > len(run.successors):
                with suppress(Exception):  # a bar in the UI must not end a rollout
                    update_progress_artifact(bar, progress=100.0 * len(done) / len(before))
            run.successors = {pod.node: pod for pod in done}
            turn = [w for w in waiting if w.why != "not its turn yet"] or waiting
            if turn:
                now.now(
                    f"{len(done)}/{len(before)} Ready; waiting for {turn[0].node}: {turn[0].why}"
                )

        deadlines = run.cluster.policy.deadlines
        run.successors = rollout.await_successors(
            run.gateway,
            before,
            deadline=deadlines.rollout,
            successor_deadline=deadlines.successor,
            report=report,
        )
        run.story.done(f"kube-proxy replaced on {counted(len(run.successors), 'node')}")
        now.end(f"{len(run.successors)} of {len(before)} successors are Ready")


@contextmanager
def _held_if_it_breaks(run: Run) -> Iterator[None]:
    """However the rollout ends early, it must not go on to further nodes by itself."""
    try:
        yield
    except BaseException:
        _hold(run)
        raise


def _hold(run: Run) -> None:
    if "restart requested" not in " ".join(run.story.changed):
        return
    try:
        rollout.hold(run.gateway)
    except NftwaveError as error:
        progress.tell(progress.Event("line", "rollout", f"NOT held: {error}; run {HOLD}"))
        return
    before = {node.name for node in run.plan.nodes}
    run.story.done(
        "kube-proxy's DaemonSet: held (updateStrategy OnDelete), so that no further node changes"
        f" by it; replaced and Ready so far: {_names(set(run.successors))};"
        f" not yet: {_names(before - set(run.successors))}"
    )


def _names(nodes: set[str]) -> str:
    shown = ", ".join(sorted(nodes)[:10]) or "none"
    return shown + (f" and {len(nodes) - 10} more" if len(nodes) > 10 else "")


HOLD = (
    "kubectl -n kube-system patch ds kube-proxy --type merge"
    """ -p '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'"""
)
