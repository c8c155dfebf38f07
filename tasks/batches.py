"""Canary and batches: each node's turn is a task run, each batch is proven before the next."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.states import Cancelled, Failed

from nftwave import progress, report
from nftwave.batches import share
from nftwave.drift import outdated
from nftwave.errors import NftwaveError
from nftwave.evidence import NodeVerdict, Standing
from nftwave.measuring import Meters
from nftwave.node.connect import SHARED
from nftwave.outcome import counted, listed
from nftwave.plan import running_mode
from nftwave.turns import Turns
from nftwave.witness import Witness
from tasks.run import Stopped
from tasks.verify import as_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prefect.futures import PrefectFuture

    from nftwave.evidence import Mode
    from nftwave.progress import Step
    from tasks.run import Run


Life = tuple[str, int] | None
"""A pod's uid and how often its container was restarted; None where there is none."""


class TooManyFailed(NftwaveError):
    """More nodes of a batch are not verified than may be.

    Attributes:
        gate: `canary`, or `batch` for a later one.
    """

    def __init__(
        self, run: Run, title: str, open_ones: Sequence[NodeVerdict], *, gate: str
    ) -> None:
        told = "; ".join(f"{v.node}: {v.standing}: {v.why()}" for v in open_ones[:3])
        more = f"; and {len(open_ones) - 3} more" if len(open_ones) > 3 else ""
        super().__init__(
            f"{title}: {counted(len(open_ones), 'node')} not verified: {told}{more}",
            cluster=run.name,
            node=open_ones[0].node if len(open_ones) == 1 else None,
            unchanged="kube-proxy on all other nodes was left as it was, and is held",
            next_step=_look_closer(open_ones[0]),
        )
        self.gate = gate


def _look_closer(verdict: NodeVerdict) -> str | None:
    shown = [e.command for e in verdict.against() if e.command]
    return f"look at {verdict.node}: {shown[0]}" if shown else None


class Batch:
    """What the task runs of one batch share. A plain class, so that Prefect does not walk it."""

    def __init__(
        self, run: Run, names: Sequence[str], title: str, *, gate: str, mode: Mode
    ) -> None:
        self.run = run
        self.gate = gate
        self.names = names
        self.title = title
        self.mode: Mode = mode
        self.slots = threading.Semaphore(run.cluster.policy.batches.at_once)
        self.begun: set[str] = set()
        self.verdicts: dict[str, NodeVerdict] = {}
        self.lives: dict[str, Life] = {}
        """Which kube-proxy it was that proved itself, by node."""
        self.turns: Turns | None = None
        self.witness: Witness | None = None

    @property
    def open_ones(self) -> list[NodeVerdict]:
        """Verdicts other than verified, in the batch's order."""
        found = (self.verdicts[name] for name in self.names if name in self.verdicts)
        return [verdict for verdict in found if verdict.standing is not Standing.VERIFIED]


@task(task_run_name="{node} in {name}: {title}", cache_policy=NO_CACHE, persist_result=False)
def take_turn(batch: Batch, node: str, name: str, title: str) -> NodeVerdict:  # noqa: ARG001 (the run's name)
    """Replace one node's kube-proxy and have the node prove itself.

    Not verified ends the task run as Failed, or as Unknown, with the reason; the verdict is its
    result either way.
    """
    try:
        verdict = _turn(batch, node)
    except NftwaveError as error:
        return Failed(message="\n".join(error.lines()), data=error)  # type: ignore[return-value]
    except Stopped as stopped:
        return Cancelled(message=f"not begun: {stopped}", data=stopped)  # type: ignore[return-value]
    finally:
        batch.slots.release()
    return as_state(verdict)


def _turn(batch: Batch, node: str) -> NodeVerdict:
    assert batch.turns is not None  # noqa: S101 (set before any turn)
    assert batch.witness is not None  # noqa: S101 (set before any turn)
    verdict = batch.verdicts[node] = batch.turns.take(node)
    batch.lives[node] = _life(batch.witness, node)
    return verdict


def run_batch(
    run: Run,
    names: Sequence[str],
    title: str,
    *,
    gate: str,
    mode: Mode = "nftables",
    soak: float = 0,
) -> Sequence[NodeVerdict]:
    """Give each node of a batch its turn, at most policy.batches.at_once together.

    Written down before and after: who finds the ledger knows which nodes are in hand.

    Args:
        title: such as `canary` or `batch 2 of 5`.
        gate: which of the policy's answers to a failure holds for it.
        soak: seconds for which its nodes must stay well afterwards.

    Raises:
        TooManyFailed: beyond the failure budget; nodes in hand had their turn to the end.
        NftwaveError: a node could not be changed, the run was stopped, or the lock was lost.
    """
    run.story.where = title
    present = {node.name for node in run.facts.targets}
    here = [name for name in names if name in present]
    if not here:
        return ()
    batch = Batch(run, here, title, gate=gate, mode=mode)
    with (
        progress.step(title, f"{counted(len(here), 'node')}: {listed(here)}") as now,
        Witness(run.gateway) as witness,
    ):
        meters = _meters(run, gate, mode)
        batch.witness = witness
        batch.turns = Turns(
            run.gateway,
            run.facts,
            witness,
            mode=mode,
            begun=run.begun,
            drained=run.plan.drained,
            meters=meters,
            jumps=SHARED,
            may_go_on=run.may_go_on,
            tell=lambda node, what: now.line(f"{node}: {what}"),
        )
        uids = {name: pod.uid for name in here if (pod := witness.pod(name))}
        # What an earlier run was about to replace stays what it was, here and in later batches: it
        # may have been replaced.
        run.begun = {**uids, **run.begun}
        run.note(flipping=run.begun)
        try:
            _turns_of(batch, now, allowed=_budget(run, gate))
            _soaked(batch, witness, now, soak, allowed=_budget(run, gate))
        finally:
            if meters:
                meters.stop_all()
            _written_down(batch)
        verified = len(batch.verdicts) - len(batch.open_ones)
        now.end(f"{verified} of {len(here)} nodes verified in {mode} mode")
    return tuple(batch.verdicts.values())


def look_at_proven_again(run: Run) -> frozenset[str]:
    """Look again, all together, at nodes that an earlier run has proven; their names.

    Nothing is restarted there. One that runs ipvs again, or a kube-proxy that was made of an older
    template, is not among them: it has another turn.
    """
    proven = set(run.ledger.proven) if run.ledger else set()
    still = [n for names in run.plan.batches for n in names if n in proven]
    old = outdated(run.facts)
    still = [n for n in still if running_mode(run.facts, n) == "nftables" and n not in old]
    if still:
        run_batch(run, still, "proven before", gate="batch")
    return frozenset(still)


def without(names: Sequence[str], done: frozenset[str]) -> Sequence[str]:
    """The nodes of a batch whose turn is still to come."""
    return [name for name in names if name not in done]


def _turns_of(batch: Batch, now: Step, *, allowed: int) -> None:
    """Submit one node after the other; stop where too many failed or the run is to end."""
    run = batch.run
    futures: list[PrefectFuture[NodeVerdict]] = []
    for name in batch.names:
        batch.slots.acquire()
        if run.stopping.is_set() or _too_many(batch, allowed) or _broken(futures):
            break
        batch.begun.add(name)
        futures.append(take_turn.submit(batch, name, run.name, batch.title))
    broken: NftwaveError | None = None
    for future in futures:
        result = future.result(raise_on_failure=False)
        if isinstance(result, NodeVerdict):
            now.line(f"{result.node}: {result.standing}: {result.why()}")
            if result.interruption:
                now.line(f"{result.node}: {result.interruption.words()}")
        elif isinstance(result, NftwaveError):
            broken = broken or result
        elif isinstance(result, BaseException):
            raise result
    _refuse_too_many(batch, allowed)
    if broken:
        raise broken
    run.stop_if_asked()


def _soaked(batch: Batch, witness: Witness, now: Step, seconds: float, *, allowed: int) -> None:
    """Watch the batch for a while: who is restarted meanwhile has to prove itself again."""
    if not seconds:
        return
    until = time.monotonic() + seconds
    now.line(f"watched for {seconds:g} s")
    while (left := until - time.monotonic()) > 0 and not batch.run.stopping.wait(min(left, 0.5)):
        for name, life in list(batch.lives.items()):
            if _life(witness, name) != life:
                now.line(f"{name}: kube-proxy was restarted meanwhile; asking it again")
                _turn(batch, name)
        _refuse_too_many(batch, allowed)
    batch.run.stop_if_asked()


def _life(witness: Witness, name: str) -> Life:
    pod = witness.pod(name)
    return (pod.uid, pod.restarts) if pod else None


def _refuse_too_many(batch: Batch, allowed: int) -> None:
    if _too_many(batch, allowed):
        gate = "canary" if batch.gate == "canary" else "batch"
        raise TooManyFailed(batch.run, batch.title, batch.open_ones, gate=gate)


def _broken(futures: Sequence[PrefectFuture[NodeVerdict]]) -> bool:
    """Whether a turn has ended without a verdict: that would happen to the next one too."""
    ended = (future.state for future in futures)
    return any(
        state.is_final() and isinstance(state.data, NftwaveError) for state in ended if state
    )


def _too_many(batch: Batch, allowed: int) -> bool:
    before = sum(
        1
        for node, verdict in batch.run.flipped.items()
        if verdict.standing is not Standing.VERIFIED and node not in batch.verdicts
    )
    return before + len(batch.open_ones) > allowed


def _budget(run: Run, gate: str) -> int:
    """How many nodes may fail. A canary is there to be looked at: none."""
    if gate == "canary":
        return 0
    if gate == "rollback":
        return len(run.plan.nodes)  # the way back is gone to its end
    return share(run.cluster.policy.batches.failure_budget, len(run.plan.nodes), up=False)


def _meters(run: Run, gate: str, mode: Mode) -> Meters | None:
    # By exec no program is there that could connect.
    wanted = {"canary": gate == "canary", "all": True, "off": False}
    probe = run.cluster.policy.interruption_probe
    possible = mode == "nftables" and run.cluster.access == "ssh"
    return Meters() if possible and wanted[probe] else None


def _written_down(batch: Batch) -> None:
    """Into the ledger: who is proven, who is not and why, and that nobody is in hand any more."""
    run = batch.run
    for name, verdict in batch.verdicts.items():
        before = run.flipped.get(name)
        if before and before.interruption and not verdict.interruption:
            # Only looked at again: what its change cost was measured the first time.
            batch.verdicts[name] = replace(verdict, interruption=before.interruption)
    run.flipped.update(batch.verdicts)
    if batch.turns and batch.turns.replaced:
        where = listed(sorted(batch.turns.replaced))
        run.story.done(f"{batch.title}: kube-proxy replaced on {where}")
    run.story.verdicts = list(run.flipped.values())
    if run.ledger is None or run.lock_lost:
        return
    verified = {n for n, v in batch.verdicts.items() if v.standing is Standing.VERIFIED}
    proven = set(run.ledger.proven)
    proven = proven | verified if batch.mode == "nftables" else proven - verified
    known = run.ledger.nodes or {}
    nodes = {n: why for n, why in known.items() if n not in verified}
    nodes |= {v.node: f"{v.standing}: {v.why()}" for v in batch.open_ones}
    # A node whose turn broke off stays in hand, and so do those of an earlier run that come later.
    done = batch.verdicts.keys() | (set(batch.names) - batch.begun)
    run.begun = {name: uid for name, uid in run.begun.items() if name not in done}
    run.record(replace(run.ledger, proven=tuple(sorted(proven)), nodes=nodes, flipping=run.begun))
    run.artifacts.table(
        "nodes",
        report.verdict_rows(run.flipped.values())[: report.SHOWN],
        f"Verdict and evidence of each node of {run.name} so far",
    )
