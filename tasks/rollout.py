"""Restart kube-proxy as kubectl does, and wait for each successor by watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave import progress
from nftwave.kube import daemonset, rollout
from nftwave.look import look_at_api
from nftwave.outcome import counted, listed
from tasks.patch import planned
from tasks.shielded import shielded
from tasks.step import step

if TYPE_CHECKING:
    from nftwave.kube.objects import ProxyPod
    from nftwave.kube.rollout import Waiting
    from nftwave.progress import Step
    from tasks.run import Run

RESTART = "kube-proxy's DaemonSet: restart requested"
HOLD = (
    "kubectl -n kube-system patch ds kube-proxy --type merge"
    """ -p '{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}'"""
)
"""What a person can type where this program could not hold the rollout itself."""


@step("restart kube-proxy in {run.name}")
def restart_kube_proxy(run: Run) -> None:
    """Replace every kube-proxy pod, under the DaemonSet's own update strategy.

    Raises:
        RolloutFailed: a successor does not come up. The DaemonSet is then held (OnDelete), so
            that no further node is changed.
    """
    run.story.where = "the restart of kube-proxy"
    nodes = {node.name for node in run.plan.nodes}
    with (
        progress.step("rollout", f"restarting kube-proxy on {counted(len(nodes), 'node')}") as now,
        _held_if_it_breaks(run, nodes),
    ):
        _request(run)
        revision = daemonset.taken_in(run.gateway)
        run.artifacts.bar("rollout", f"kube-proxy restarted in {run.name}")
        deadlines = run.cluster.policy.deadlines
        run.successors = rollout.await_successors(
            run.gateway,
            nodes,
            revision,
            deadline=deadlines.rollout,
            successor_deadline=deadlines.successor,
            report=lambda done, waiting: _report(run, now, len(nodes), done, waiting),
        )
        run.story.done(f"kube-proxy replaced on {counted(len(run.successors), 'node')}")
        gone = nodes - set(run.successors)
        if gone:
            now.line(f"removed from the cluster meanwhile: {listed(sorted(gone))}")
        now.end(f"{len(run.successors)} of {len(nodes)} successors are Ready")
    # Nodes that joined or left during the rollout: what is verified is what is there now.
    run.facts = replace(look_at_api(run.cluster, run.gateway), probes=run.facts.probes)


def _request(run: Run) -> None:
    at = run.plan.restarted_at or daemonset.stamp()
    run.may_go_on()
    # Written before it is done: a rerun then knows the restart for its own, done or not.
    if run.ledger:
        run.record(replace(run.ledger, phase="restarted", restarted_at=at))
    with run.story.changing(RESTART):
        daemonset.restart(run.gateway, planned(run), at=at, strategy=run.plan.strategy_restored)


def _report(
    run: Run, now: Step, total: int, done: Sequence[ProxyPod], waiting: Sequence[Waiting]
) -> None:
    if len(done) > len(run.successors):
        run.artifacts.move(len(done) / total)
    run.successors = {pod.node: pod for pod in done}
    turn = [w for w in waiting if w.why != rollout.OLD] or list(waiting)
    if turn:
        now.now(f"{len(done)}/{total} Ready; waiting for {turn[0].node}: {turn[0].why}")


@contextmanager
def _held_if_it_breaks(run: Run, nodes: set[str]) -> Iterator[None]:
    """However the rollout ends early, it must not go on to further nodes by itself."""
    try:
        yield
    except BaseException:
        if RESTART in (*run.story.changed, *run.story.unsure):
            with shielded():
                _hold(run, nodes)
        raise


def _hold(run: Run, nodes: set[str]) -> None:
    progress.tell(progress.Event("line", "rollout", "holding the DaemonSet …"))
    done, rest = set(run.successors), nodes - set(run.successors)
    so_far = f"replaced and Ready so far: {listed(sorted(done))}; not yet: {listed(sorted(rest))}"
    try:
        run.held = None
        daemonset.hold(run.gateway)
        run.held = True
    except Exception as error:  # noqa: BLE001 (it must be said, whatever it was)
        run.story.done(f"NOT held, the rollout goes on by itself ({error}); type: {HOLD}; {so_far}")
    else:
        run.story.done(
            "kube-proxy's DaemonSet: held (updateStrategy OnDelete), so that no further node"
            f" changes by it; {so_far}"
        )
