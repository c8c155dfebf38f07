"""Move one cluster from kube-proxy ipvs to nftables."""

from __future__ import annotations

from pathlib import Path

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.ending import ended, ending_in_words
from flows.opening import open_cluster
from nftwave.errors import Conflict
from nftwave.outcome import Outcome
from nftwave.plan import is_done
from tasks.approve import How, approve
from tasks.interruption import interruption_measured
from tasks.patch import patch_config
from tasks.plan import plan
from tasks.preflight import preflight, still_as_approved
from tasks.report import close_ledger
from tasks.rollout import restart_kube_proxy
from tasks.run import Run
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

    Preflight, plan, approval, patch, rollout, verification. Nothing is changed before a person
    approved the plan; every step reads the real state first, so that running it again converges.

    Args:
        cluster: name in the fleet file, or a name for the cluster of kubeconfig and context.
        fleet: the fleet file.
        kubeconfig: instead of a fleet file.
        context: in that kubeconfig.
        approve_by: `ui` pauses for a person; `auto` is for labs and tests.
    """
    run = Run.open(open_cluster(cluster, fleet, kubeconfig, context))
    with ending_in_words(run) as ending:
        preflight(run)
        if is_done(run.facts):
            verdicts = verify_nodes(run)
            close_ledger(run)
            return ended(run, run.story.ended(verdicts, migrated=False))
        agree_and_patch(run, approve_by)
        with interruption_measured(run):
            restart_kube_proxy(run)
            verdicts = verify_nodes(run)
        close_ledger(run)
        return ended(run, run.story.ended(verdicts, migrated=True))
    return ended(run, ending.outcome)


def agree_and_patch(run: Run, approve_by: How) -> None:
    """Plan, ask, and make the approved change; from the start if the cluster changed meanwhile.

    Raises:
        Conflict: it changed each time.
    """
    for attempt in range(1, PLANS + 1):
        plan(run)
        approval = approve(run, approve_by, attempt)
        if still_as_approved(run):
            return patch_config(run, approval)
    raise Conflict(
        f"the cluster changed after each of {PLANS} approvals",
        cluster=run.name,
        unchanged="nothing was changed",
        next_step="see who works on it, then run this again",
    )
