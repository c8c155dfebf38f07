"""Move one cluster from kube-proxy ipvs to nftables."""

# No postponed annotations: a worker or runner loads this file by its path, and Prefect, which then
# has no module to look names up in, takes no parameter (measured, Prefect 3.9.1).

from pathlib import Path

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.ending import ended, ending_in_words
from flows.opening import called, open_cluster
from nftwave import progress
from nftwave.drift import outdated
from nftwave.errors import Conflict
from nftwave.ledger import Approval
from nftwave.outcome import Outcome
from nftwave.plan import is_done
from tasks.approve import How, approve
from tasks.batches import TooManyFailed, look_at_proven_again, run_batch, without
from tasks.drift import Drifted, goes_on, refuse_way_back, still_holds
from tasks.gates import approved_canary, goes_back, hold_for_questions, resting_if_it_breaks
from tasks.interruption import interruption_measured
from tasks.locking import clear_lock, locked
from tasks.patch import hold_and_patch, patch_config, release
from tasks.plan import plan
from tasks.preflight import preflight, still_as_approved
from tasks.report import close_ledger
from tasks.rollback import roll_back
from tasks.rollout import restart_kube_proxy
from tasks.run import Run
from tasks.stopping import stoppable
from tasks.verify import verify_nodes

PLANS = 3
"""How often a cluster that changes under our hands is planned anew before the run gives up."""


@flow(
    name="migrate-cluster",
    flow_run_name="{cluster} · migrate",
    # As many threads as nodes may be looked at together; policy.parallelism says how many are.
    task_runner=ThreadPoolTaskRunner(max_workers=1024),  # type: ignore[arg-type]
    persist_result=False,
)
def migrate_cluster(
    cluster: str,
    fleet: Path | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
    approve_by: How = "ui",
) -> State[Outcome]:
    """Move one cluster from kube-proxy ipvs to nftables.

    Preflight, plan, approval; a canary, its evidence, a person's yes; then batches, each proven
    before the next. Nothing is changed before a person approved the plan; every step reads the
    real state first, so that running it again converges.

    Args:
        cluster: name in the fleet file, or a name for the cluster of kubeconfig and context.
        fleet: the fleet file.
        kubeconfig: instead of a fleet file.
        context: in that kubeconfig.
        approve_by: `ui` pauses for a person; `auto` is for labs and tests.
    """
    found = open_cluster(cluster, fleet, kubeconfig, context)
    run = Run.open(found, called(cluster, fleet, kubeconfig, context))
    with ending_in_words(run) as ending:
        preflight(run)
        if is_done(run.facts) and not (run.ledger and run.ledger.is_open):
            clear_lock(run)
            return ended(run, run.story.ended(verify_nodes(run), migrated=False))
        with locked(run, "migrate"):
            ending.outcome = migrate(run, approve_by)
    return ended(run, ending.outcome)


def migrate(run: Run, approve_by: How) -> Outcome:
    """Agree and carry out; from the start if the cluster changes under our hands."""
    refuse_way_back(run)
    if is_done(run.facts):
        verdicts = verify_nodes(run)
        close_ledger(run)
        return run.story.ended(verdicts, migrated=False)
    for attempt in range(1, PLANS + 1):
        try:
            approval = agree(run, approve_by, anew=attempt > 1)
            return carry_out(run, approval, approve_by)
        except Drifted as error:
            hold_for_questions(run)
            if attempt == PLANS:
                raise
            progress.tell(progress.Event("line", "drift", f"{error.what}; asking again"))
            preflight(run)
    raise AssertionError("unreachable")  # the last attempt returns or raises


def agree(run: Run, approve_by: How, *, anew: bool) -> Approval | None:
    """A plan that a person has approved; None where an earlier run's is gone on with.

    Args:
        anew: the earlier plan no longer holds.

    Raises:
        Conflict: the cluster changed after each approval.
        Drifted: the earlier run's plan no longer holds.
    """
    if not anew and goes_on(run):
        return None
    for _ in range(PLANS):
        plan(run)
        approval = approve(run, approve_by)
        if still_as_approved(run):
            return approval
    raise Conflict(
        f"the cluster changed after each of {PLANS} approvals",
        cluster=run.name,
        unchanged=run.story.told_unchanged,
        next_step="see who works on it, then run this again",
    )


def carry_out(run: Run, approval: Approval | None, approve_by: How) -> Outcome:
    """Make the approved change, the way that the plan names, and prove every node."""
    if run.plan.strategy == "rolling":
        restart_everywhere(run, approval)
    else:
        with resting_if_it_breaks(run):
            try:
                if not batch_by_batch(run, approval, approve_by):
                    return roll_back(run, "A person said so on the canary's evidence.")
            except TooManyFailed as error:
                if not goes_back(run, error, approve_by):
                    raise
                return roll_back(run, f"The cause: {error.what}.")
        verify_nodes(run)
    close_ledger(run)
    return run.story.ended(run.verdicts, migrated=True)


def restart_everywhere(run: Run, approval: Approval | None) -> None:
    """Strategy rolling: kube-proxy's DaemonSet replaces all pods, then every node proves itself."""
    patch_config(run, approval)
    with interruption_measured(run):
        restart_kube_proxy(run)
        verify_nodes(run)


def batch_by_batch(run: Run, approval: Approval | None, approve_by: How) -> bool:
    """Strategy batches: canary, a person's yes, the other nodes; False where they said go back.

    Raises:
        TooManyFailed: beyond the failure budget.
        Drifted: the plan no longer holds.
    """
    canary, *rest = run.plan.batches
    soak = run.cluster.policy.batches.soak
    with stoppable(run):
        hold_and_patch(run, approval)
        again = look_at_proven_again(run)
        run.note(phase="canary")
        run_batch(run, without(canary, again), "canary", gate="canary", soak=soak if rest else 0)
    if rest and not approved_canary(run, approve_by):
        return False
    with stoppable(run):
        run.note(phase="batches")
        for number, names in enumerate(rest, start=1):
            title = f"batch {number} of {len(rest)}"
            left = soak if number < len(rest) else 0
            still_holds(run)
            run_batch(run, without(names, again), title, gate="batch", soak=left)
        still_holds(run)
        run_batch(run, sorted(outdated(run.facts)), "made of an older template", gate="batch")
        release(run)
    return True
