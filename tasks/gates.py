"""Between canary and batches, and after a failure: what people say, and what holds meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nftwave import progress, report
from nftwave.errors import Conflict
from tasks.approve import approve_canary, ask_after_failure
from tasks.batches import run_batch
from tasks.drift import Drifted, still_holds
from tasks.patch import config_back, hold, new_config
from tasks.shielded import shielded
from tasks.stopping import stoppable

if TYPE_CHECKING:
    from tasks.approve import How
    from tasks.batches import TooManyFailed
    from tasks.run import Run


def approved_canary(run: Run, how: How) -> bool:
    """Whether a person says yes to the other nodes, now or in an earlier run; False: go back.

    Raises:
        NotApproved: neither; everything is left as it is.
        Drifted: the cluster changed meanwhile.
    """
    if run.ledger is not None and run.ledger.approved("canary"):
        return True
    asked = how != "auto"
    if asked:
        rest(run)
    run.artifacts.markdown(
        "canary",
        "\n\n".join(report.evidence_markdown(verdict) for verdict in run.flipped.values()),
        f"The canary's evidence in {run.name}, with the commands that show it",
    )
    if approve_canary(run, how).decision == "rollback":
        return False
    if asked:
        # Hours may have passed: a canary that was restarted meanwhile may run ipvs again.
        with stoppable(run):
            still_holds(run, at_gate=True)
            new_config(run)
            run_batch(run, run.plan.batches[0], "canary, looked at again", gate="canary")
    return True


def goes_back(run: Run, error: TooManyFailed, how: How) -> bool:
    """What the policy, or a person, says to nodes that failed: whether all go back."""
    policy = run.cluster.policy.on_failure
    wanted = policy.canary if error.gate == "canary" else policy.batch
    if wanted == "ask":
        rest(run)
        return ask_after_failure(run, error, how)
    return wanted == "rollback"


def hold_for_questions(run: Run) -> None:
    """Nothing changes by itself while a person is asked anew.

    The hold first: whoever rewrote the DaemonSet may have taken it away.
    """
    hold(run)
    rest(run)


def rest(run: Run) -> None:
    """Leave config.conf as the policy wants it while nobody works on the cluster.

    Until a person has spoken, what restarts by itself must not come up in a mode that nobody has
    proven on its node.
    """
    if run.plan.strategy != "batches" or run.ledger is None:
        return
    if run.ledger.phase != "asking":
        run.note(phase="asking")
    if run.cluster.policy.config_at_gate == "original":
        try:
            config_back(run, run.plan.config_before)
        except Conflict:
            # Somebody else's text stays: it is theirs, and a person is asked about it.
            run.story.unsure.clear()


@contextmanager
def resting_if_it_breaks(run: Run) -> Iterator[None]:
    """However batches end early: the hold stays, and config.conf is as the policy wants it.

    Not where another process may work on the cluster by now, and not once every node is proven
    and the hold is being ended: then config.conf says what they run.
    """
    try:
        yield
    except Drifted:
        raise  # the hold first, then a person is asked
    except BaseException:
        entry = run.ledger
        nodes_change = entry and entry.is_open and entry.phase not in {"rolling-back", "restoring"}
        if nodes_change and not run.lock_lost:
            with shielded():
                _at_rest(run)
        raise


def _at_rest(run: Run) -> None:
    stopping = run.stopping.is_set()
    run.stopping.clear()  # what it asked for has come about; this is the end of it
    try:
        rest(run)
    except Exception as error:  # noqa: BLE001 (it must be said, whatever it was)
        told = f"config.conf could not be put back: {error}"
        progress.tell(progress.Event("line", "stop", told))
    if stopping:
        run.stopping.set()
