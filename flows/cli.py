"""`nftwave …`: the other front door.

Read-only commands go straight to `nftwave/` and import no Prefect. Modules that take long to
import are imported where they are used, so that `--help` is quick.

Exit status: 0 done, 1 failed, 2 bad input, 3 blocked by preflight, 4 not approved.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nftwave.errors import BadInput, NftwaveError

if TYPE_CHECKING:
    from nftwave.fleet import Cluster
    from nftwave.kube.gateway import Gateway
    from nftwave.outcome import Outcome

app = typer.Typer(
    name="nftwave",
    help="Move kubeadm clusters from kube-proxy ipvs to nftables, with evidence from every node.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
fleet_app = typer.Typer(help="The fleet file.", no_args_is_help=True)
app.add_typer(fleet_app, name="fleet")


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class ApproveBy(StrEnum):
    """Who approves."""

    UI = "ui"
    AUTO = "auto"


ClusterName = Annotated[
    str | None, typer.Argument(metavar="CLUSTER", help="Name of a cluster in the fleet file.")
]
FleetFile = Annotated[
    Path | None,
    typer.Option("--fleet", help="Fleet file; else $NFTWAVE_FLEET, else ./fleet.yaml."),
]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="Instead of a fleet file; needs --context.")
]
Context = Annotated[
    str | None, typer.Option("--context", help="Context in the kubeconfig; never guessed.")
]
OutputOption = Annotated[
    Output, typer.Option("-o", "--output", help="Data on stdout; progress goes to stderr.")
]


@app.command()
def check(
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Look at a cluster and its nodes, and say what would break. Changes nothing.

    Exits 3 where there are blockers.
    """
    from flows import looking, terminal
    from nftwave.findings import Severity

    with opened(cluster, fleet, kubeconfig, context) as (found, gateway):
        facts, findings = looking.look_and_judge(found, gateway)
    if output is not Output.TABLE:
        terminal.emit(looking.as_data(facts, findings), output)
    else:
        terminal.OUT.print(terminal.nodes_table(looking.node_rows(facts), found.name))
        if findings:
            terminal.OUT.print(terminal.findings_table(findings))
        terminal.OUT.print(looking.sentence(facts, findings))
    if any(f.severity is Severity.BLOCKER for f in findings):
        raise typer.Exit(3)


@app.command()
def plan(
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what a migration would change, as a diff. Changes nothing."""
    from flows import looking, terminal
    from nftwave.findings import refuse_blockers
    from nftwave.plan import make_plan

    with opened(cluster, fleet, kubeconfig, context) as (found, gateway):
        facts, findings = looking.look_and_judge(found, gateway)
    refuse_blockers(found.name, findings)
    made = make_plan(facts)
    if output is Output.TABLE:
        terminal.show_plan(made)
    else:
        terminal.emit(made.as_dict(), output)


@app.command()
def verify(  # noqa: PLR0913 (each is an option)
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
    wait: Annotated[
        float, typer.Option(help="Seconds to look again at nodes that are not verified yet.")
    ] = 0.0,
    mode: Annotated[
        Literal["nftables", "ipvs"],
        typer.Option("--mode", help="What each node is to prove; ipvs: after a rollback."),
    ] = "nftables",
    *,
    evidence: Annotated[
        bool, typer.Option("--evidence", help="Show all evidence of each node.")
    ] = False,
) -> None:
    """Prove each node of a cluster, at any time. Changes nothing.

    Exits 1 unless every node is verified to run that mode.
    """
    from flows import terminal
    from nftwave import progress
    from nftwave.evidence import Standing
    from nftwave.look import look_at_api
    from nftwave.verify import verify_all

    with opened(cluster, fleet, kubeconfig, context) as (found, gateway):
        facts = look_at_api(found, gateway)
        with progress.step("verify", f"asking {len(facts.targets)} nodes") as now:
            verdicts = []
            for verdict in verify_all(facts, gateway, deadline=wait, mode=mode):
                verdicts.append(verdict)
                now.now(f"{len(verdicts)} of {len(facts.targets)} nodes looked at")
            verified = sum(v.standing is Standing.VERIFIED for v in verdicts)
            told = f"{verified} of {len(verdicts)} nodes verified to run {mode} mode"
            now.end(told)
    if output is not Output.TABLE:
        terminal.emit({"cluster": found.name, "verdicts": [v.as_dict() for v in verdicts]}, output)
    else:
        terminal.OUT.print(terminal.verdicts_table(verdicts))
        for verdict in verdicts if evidence else ():
            terminal.OUT.print(terminal.evidence_table(verdict))
        terminal.OUT.print(f"{found.name}: {told}.")
    if not verdicts or verified < len(verdicts):
        raise typer.Exit(1)


@app.command()
def status(
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Tell how far a migration is and who works on it. Asks no node; changes nothing."""
    from flows import terminal
    from flows.opening import called
    from flows.status import show
    from nftwave.status import status as status_of

    with opened(cluster, fleet, kubeconfig, context) as (found, gateway):
        told = status_of(gateway, called(found.name, fleet, kubeconfig, context))
    if output is Output.TABLE:
        show(told)
    else:
        terminal.emit(told.as_dict(), output)


@app.command()
def migrate(
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
    approve_by: Annotated[
        ApproveBy,
        typer.Option("--approve", help="ui: a person approves; auto: for labs and tests."),
    ] = ApproveBy.UI,
) -> None:
    """Migrate one cluster: preflight, plan, approval, patch, rollout, proof from every node.

    Runs in a Prefect server of its own, or in the one that $PREFECT_API_URL names.
    """
    from flows.opening import fleet_file, open_cluster
    from flows.running import run_migration

    # Opened here too: a mistake in what was given is told before a server is started for it.
    found = open_cluster(cluster, fleet, kubeconfig, context)
    outcome = run_migration(
        found.name,
        fleet=None if kubeconfig else fleet_file(fleet).absolute(),
        kubeconfig=kubeconfig.absolute() if kubeconfig else None,
        context=context,
        approve_by=approve_by.value,
    )
    _finish(outcome, output)


@app.command()
def rollback(
    cluster: ClusterName = None,
    fleet: FleetFile = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take a migration back: config.conf as it was, then the nodes that changed, and no other.

    Works half-way through anything, asks nobody, and goes on where it stopped when run again.
    Exits 5 when the cluster is as it was.
    """
    from flows.opening import fleet_file, open_cluster
    from flows.running import run_rollback

    found = open_cluster(cluster, fleet, kubeconfig, context)
    outcome = run_rollback(
        found.name,
        fleet=None if kubeconfig else fleet_file(fleet).absolute(),
        kubeconfig=kubeconfig.absolute() if kubeconfig else None,
        context=context,
    )
    _finish(outcome, output)


@app.command()
def approve(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the flow run that waits.")],
    approver: Annotated[str, typer.Option(help="Your name; recorded as claimed.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads this later.")],
    *,
    reject: Annotated[
        bool, typer.Option("--reject", help="Say no: nothing more is changed.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Say no, and take back what was changed.")
    ] = False,
) -> None:
    """Answer a run that waits for approval: of its plan, of its canary, or after a failure."""
    from flows.answering import answer

    if reject and rollback:
        raise BadInput("give --reject or --rollback, not both")
    decision = "reject" if reject else "rollback" if rollback else "approve"
    answer(run, decision=decision, approver=approver, reason=reason)
    typer.echo(f"run {run}: {decision} by {approver} handed to Prefect", err=True)


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option("--dir", help="Folder of the lab and of the Prefect server.")
    ] = Path(".nftwave/demo"),
    approve_by: Annotated[
        ApproveBy, typer.Option("--approve", help="ui: approve it yourself in the Prefect UI.")
    ] = ApproveBy.AUTO,
    nodes: Annotated[int, typer.Option(min=1, max=1000, help="Nodes of the lab cluster.")] = 5,
    speed: Annotated[float, typer.Option(min=0.1, help="How much faster than life.")] = 10.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="FAULT of the canary, or NODE=FAULT; see `nftwave lab faults`."),
    ] = None,
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep lab and UI up until Ctrl-C, to look around.")
    ] = False,
) -> None:
    """Watch a five-node cluster go from ipvs to nftables, on a lab on this machine."""
    from flows.demo import run_demo

    outcome = run_demo(
        directory, approve_by.value, nodes=nodes, speed=speed, faults=fault or [], keep=keep
    )
    _finish(outcome, Output.TABLE, shown=True)


@fleet_app.command("schema")
def fleet_schema() -> None:
    """JSON schema of the fleet file, for editors."""
    import json

    from nftwave.fleet import schema

    typer.echo(json.dumps(schema(), indent=2))


@contextmanager
def opened(
    cluster: str | None, fleet: Path | None, kubeconfig: Path | None, context: str | None
) -> Iterator[tuple[Cluster, Gateway]]:
    """The cluster and its API server, with progress shown meanwhile."""
    from flows import terminal
    from flows.opening import open_cluster
    from nftwave import progress
    from nftwave.kube.connect import connect

    found = open_cluster(cluster, fleet, kubeconfig, context)
    gateway = connect(found)
    listener = terminal.progress_listener()
    progress.listeners.append(listener)
    try:
        yield found, gateway
    finally:
        progress.listeners.remove(listener)
        listener.close()
        gateway.close()


def _finish(outcome: Outcome, output: Output, *, shown: bool = False) -> None:
    from flows import terminal

    if output is not Output.TABLE:
        terminal.emit(outcome.as_dict(), output)
    elif not shown:
        terminal.show_outcome(outcome)
    raise typer.Exit(outcome.exit_status)


def main() -> None:
    """Entry point: our errors become lines and an exit status, never a traceback."""
    try:
        _mount_lab()
        app()
    except NftwaveError as error:
        from flows import terminal

        terminal.show_error(error)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        typer.echo("stopped by Ctrl-C; this command changes nothing", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(1)


def _mount_lab() -> None:
    """`nftwave lab`, where the lab's own packages are installed (extra `lab`)."""
    from nftwave.lab.cli import app as lab_app

    app.add_typer(lab_app, name="lab")
