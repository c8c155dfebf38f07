"""What is killed, and what must have come of it after the same command was given again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tests.crash.killing import EVICTION, MOMENTS, Point
from tests.crash.seen import Seen, see, write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from nftwave.lab.launch import Lab
    from nftwave.ledger import Ledger
    from tests.crash.forking import Ended, Warm

NODES, SPEED = 5, 60
CANARY = "lab-1-node-1"
POLICY: dict[str, Any] = {
    "canary": {"nodes": [CANARY]},
    "batches": {"soak": 0},
    "drain": True,
    "interruption_probe": "off",
}
"""Canary; one node; two at once; the control plane's. Each is drained first."""
AT_ONCE = {**POLICY, "batches": {"soak": 0, "sizes": ["100%"]}, "drain": False}
TRIES = 3
"""How often a point is tried that is not reached: evictions are now more, now fewer."""


class Runs(Protocol):
    """Runs flows, each in a process of its own."""

    def run(
        self,
        folder: Path,
        flow: str,
        name: str,
        *,
        point: Point | None = None,
        approve_by: str = "auto",
    ) -> Ended:
        """Run a flow; it dies at that point."""


@dataclass(frozen=True)
class Scenario:
    """A command on a lab cluster that is killed somewhere.

    Attributes:
        flow: `migrate` or `rollback`.
        again: the command that is given afterwards.
        finished_first: whether the cluster is migrated before, to the end.
        fault: what is wrong with the canary.
        exit_status: of the command that came to its end.
        moments: at which it is killed, around each of its calls.
        skips: calls around which it is not: another scenario does that.
    """

    name: str
    flow: str
    again: str
    exit_status: int
    finished_first: bool = False
    fault: str = ""
    moments: tuple[str, ...] = MOMENTS
    skips: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def prepare(self, lab: Lab, warm: Runs) -> Seen:
        """Bring a new lab to where the command begins; the cluster before its migration."""
        original = see(lab)
        if self.finished_first:
            write_policy(lab, AT_ONCE)
            done = warm.run(lab.directory, "migrate", "finished")
            assert done.outcome.get("status") == "done", done
        write_policy(lab, POLICY)
        if self.fault:
            lab.fault("lab-1", CANARY, self.fault)
        return original

    def calls(self, folder: Path, warm: Warm) -> Sequence[str]:
        """The mutating calls of the command when nobody kills it."""
        with warm.lab(folder, nodes=NODES, speed=SPEED) as lab:
            original = self.prepare(lab, warm)
            done = warm.run(folder, self.flow, "whole", approve_by="ui")
            assert done.outcome.get("exit_status") == self.exit_status_alone, done
            assert not list(self.unwanted(original, see(lab), forward=self.goes_forward_alone))
        return done.calls

    @property
    def goes_forward_alone(self) -> bool:
        """Whether nodes run nftables where nobody kills it."""
        return self.flow == "migrate" and not self.fault

    @property
    def exit_status_alone(self) -> int:
        """Its exit status where nobody kills it."""
        return 0 if self.goes_forward_alone else 5

    def unwanted(self, original: Seen, now: Seen, *, forward: bool) -> Iterator[str]:
        """What is not as it must be at the end, in words."""
        mode = "nftables" if forward else "ipvs"
        if set(now.modes.values()) != {mode}:
            yield f"modes {now.modes}"
        if forward and "mode: nftables" not in now.config["config.conf"]:
            yield "config.conf does not ask for nftables"
        if not forward and now.config != original.config:
            yield "the ConfigMap is not as it was"
        if now.spec != original.spec:
            yield f"the DaemonSet is not as it was: {now.spec.get('updateStrategy')}"
        if now.cordoned or now.marked:
            yield f"cordoned {sorted(now.cordoned)}, annotated {sorted(now.marked)}"
        if now.holder:
            yield f"the lock names {now.holder}"
        yield from _open_ends(now.ledger, original, "verified" if forward else "rolled-back")


def _open_ends(entry: Ledger | None, original: Seen, phase: str) -> Iterator[str]:
    """What the ledger says that it must not say at the end."""
    if entry is None:
        yield "there is no ledger"
        return
    if entry.phase != phase:
        yield f"ledger in phase {entry.phase}"
    if entry.flipping or entry.nodes:
        yield f"ledger: in hand {entry.flipping}, open {entry.nodes}"
    if dict(entry.original) != original.config:
        yield "the ledger's original is another one"


SCENARIOS = (
    Scenario("migration", "migrate", "migrate", 0),
    Scenario("canary-fails", "migrate", "migrate", 5, fault="crashloop"),
    Scenario("rollback", "rollback", "rollback", 5, finished_first=True),
    Scenario(
        "migration-taken-back",
        "migrate",
        "rollback",
        5,
        moments=("after",),
        skips=("PUT configmaps/nftwave", "PUT leases/nftwave"),
    ),
)


def points(scenario: Scenario, calls: Sequence[str]) -> list[Point]:
    """Before and after each call, as the scenario says."""
    seen: Counter[str] = Counter()
    found = []
    for call in calls:
        seen[call] += 1
        if call not in scenario.skips:
            found += [Point(call, seen[call], moment) for moment in scenario.moments]
    return found


def complaints(scenario: Scenario, point: Point, folder: Path, warm: Warm) -> list[str] | None:
    """Kill the command at that point, give it again, and tell what is not as it must be.

    None where an eviction of that number does not come up again: two nodes at once are drained in
    another way each time. All else comes always.
    """
    for attempt in range(TRIES):
        here = folder / f"{attempt}"
        with warm.lab(here, nodes=NODES, speed=SPEED) as lab:
            original = scenario.prepare(lab, warm)
            dead = warm.run(here, scenario.flow, "killed", point=point, approve_by="ui")
            if dead.killed:
                return list(after_the_kill(scenario, original, lab, warm))
    return None if point.call == EVICTION else [f"never reached; it made {dead.calls}"]


def after_the_kill(scenario: Scenario, original: Seen, lab: Lab, warm: Runs) -> Iterator[str]:
    """Give the command again, and tell what is not as it must be."""
    killed = see(lab)
    entry = killed.ledger
    kept = dict(entry.original) if entry else {}
    if original.config not in (killed.config, kept):
        yield "after the kill the original was nowhere to be found"
    done = warm.run(lab.directory, scenario.again, "again", approve_by="ui")
    if scenario.again == "rollback" and (entry is None or entry.phase == "rolled-back"):
        if (done.outcome.get("exit_status"), see(lab).config) != (3, original.config):
            yield f"nothing to take back, and it ended so: {done}"
        return
    if scenario.again == "migrate" and entry and entry.going_back:
        told = " ".join(done.outcome.get("words", ()))
        if done.outcome.get("exit_status") != 1 or "nftwave rollback lab-1" not in told:
            yield f"half-way back, and it does not say so: {done}"
        done = warm.run(lab.directory, "rollback", "back")
    if done.outcome.get("exit_status") != scenario.exit_status:
        yield f"exit status {done.outcome.get('exit_status')}: {_told(done)}"
    now = see(lab)
    forward = scenario.exit_status == 0
    yield from scenario.unwanted(original, now, forward=forward)
    yield from _restarted(scenario, original, killed, now)


def _restarted(scenario: Scenario, original: Seen, killed: Seen, now: Seen) -> Iterator[str]:
    """Nodes whose kube-proxy was replaced though there was nothing left to do."""
    entry = killed.ledger
    if scenario.exit_status == 0:
        done = set(entry.proven) if entry else set()
    elif scenario.fault:
        done = set(now.pods) - {CANARY}
    elif scenario.finished_first:
        # Taken back and proven before the kill.
        touched = {*entry.proven, *entry.in_hand} if entry and entry.going_back else set(now.pods)
        done = set(now.pods) - touched
    else:
        # A node that runs ipvs still, and whose turn had not come.
        done = {n for n in now.pods if killed.pods[n] == original.pods[n]}
        done -= set(entry.in_hand) if entry else set()
    again = sorted(n for n in done if killed.pods[n] != now.pods[n])
    if again:
        yield f"restarted a second time: {again}"


def _told(ended: Ended) -> str:
    return f"{ended.outcome.get('words')}; log: {ended.log[-1500:]}"
