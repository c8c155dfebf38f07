"""Take a migration back: the cluster as it was, from wherever the migration stands."""

# No postponed annotations: a worker or runner loads this file by its path, and Prefect, which then
# has no module to look names up in, takes no parameter (measured, Prefect 3.9.1).

from pathlib import Path

from prefect import State, flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.ending import ended, ending_in_words
from flows.opening import called, open_cluster
from nftwave.look import look_at_api
from nftwave.outcome import Outcome
from tasks.locking import clear_lock, locked
from tasks.rollback import refuse_nothing, roll_back
from tasks.run import Run
from tasks.stopping import stoppable


@flow(
    name="rollback-cluster",
    flow_run_name="{cluster} · rollback",
    task_runner=ThreadPoolTaskRunner(max_workers=1024),  # type: ignore[arg-type]
    persist_result=False,
)
def rollback_cluster(
    cluster: str,
    fleet: Path | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
) -> State[Outcome]:
    """Take a migration back: config.conf as it was, then the nodes that changed, and no other.

    Asks nobody: who starts it has decided, and what it goes back to was proven before. Run again it
    goes on from where it stands.

    Args:
        cluster: name in the fleet file, or a name for the cluster of kubeconfig and context.
        fleet: the fleet file.
        kubeconfig: instead of a fleet file.
        context: in that kubeconfig.
    """
    found = open_cluster(cluster, fleet, kubeconfig, context)
    run = Run.open(found, called(cluster, fleet, kubeconfig, context))
    with ending_in_words(run) as ending:
        read(run)
        with locked(run, "rollback", again=read), stoppable(run):
            ending.outcome = roll_back(run)
    return ended(run, ending.outcome)


def read(run: Run) -> None:
    """What the API tells, and whether there is anything to take back.

    Raises:
        Blocked: there is not.
    """
    run.saw(look_at_api(run.cluster, run.gateway))
    if run.ledger is None or run.ledger.phase == "rolled-back":
        clear_lock(run)
    refuse_nothing(run)
