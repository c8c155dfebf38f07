"""The main job on the lab: a newcomer's first run, and CI's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from flows import terminal
from flows.running import run_migration
from nftwave.errors import BadInput, NftwaveError
from nftwave.lab.control import LabError
from nftwave.lab.launch import running_lab

if TYPE_CHECKING:
    from nftwave.outcome import Outcome

CLUSTER = "lab-1"


def run_demo(
    directory: Path,
    approve_by: str,
    *,
    nodes: int,
    speed: float,
    faults: Sequence[str],
    keep: bool,
) -> Outcome:
    """Start a lab, migrate its cluster, say what happened; with `keep`, stay up until Ctrl-C."""
    wanted = [_fault(text) for text in faults]
    lab_folder = (directory / "lab").absolute()
    terminal.ERR.print(
        f"[bold]nftwave demo[/]: a lab cluster of {nodes} nodes on this machine, {speed:g} times"
        " as fast as life.\nIt stands in for a real one: the same code with another fleet file"
        " migrates that.\n",
        soft_wrap=True,
    )
    named = [(node, name) for node, name in wanted if node]
    with lab_errors(), running_lab(lab_folder, nodes=nodes, speed=speed, faults=named) as lab:
        for name in [name for node, name in wanted if not node]:
            lab.fault(CLUSTER, _canary(lab.fleet_file), name)
        return run_migration(
            CLUSTER,
            home=(directory / "prefect").absolute(),
            at_end=lambda ended: _show(ended, lab.fleet_file, keep=keep),
            fleet=lab.fleet_file,
            approve_by=approve_by,
        )


@contextmanager
def lab_errors() -> Iterator[None]:
    """The lab stands alone and has errors of its own; here they become ours."""
    try:
        yield
    except LabError as error:
        raise NftwaveError(str(error), next_step="`nftwave lab faults` lists the faults") from error


def _fault(text: str) -> tuple[str, str]:
    """Node and name of a fault; the node is empty where the canary is meant."""
    node, _, name = text.rpartition("=")
    if not name:
        raise BadInput(f"--fault {text!r} is neither FAULT nor NODE=FAULT, such as crashloop")
    return node, name


def _canary(fleet_file: Path) -> str:
    """The node that goes first."""
    from nftwave.batches import arrange
    from nftwave.fleet import load_fleet
    from nftwave.kube.connect import connect
    from nftwave.look import look_at_api

    cluster = load_fleet(fleet_file).cluster(CLUSTER)
    gateway = connect(cluster)
    try:
        return arrange(cluster, look_at_api(cluster, gateway).targets)[0][0]
    finally:
        gateway.close()


def _show(outcome: Outcome, fleet_file: Path, *, keep: bool) -> None:
    """While the UI is up, so that the link leads somewhere."""
    terminal.show_outcome(outcome)
    if not keep:
        return
    terminal.ERR.print(
        f"\nLab and UI stay up until Ctrl-C.\n  run in the UI:  {outcome.run_url}\n"
        f"  look again:     nftwave verify {CLUSTER} --evidence --fleet {fleet_file}\n",
        soft_wrap=True,
    )
    with suppress(KeyboardInterrupt):
        Event().wait()
