"""`nftwave lab …`: a fleet on loopback to try things on."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nftwave.lab import folder
from nftwave.lab.control import BadRequestError, LabError, NotRunningError
from nftwave.lab.launch import Lab, cluster_of, start

BAD_INPUT, FAILED = 2, 1

app = typer.Typer(
    help="A fleet on loopback to try things on: emulated API servers, controllers and SSH nodes.",
    no_args_is_help=True,
)
Folder = Annotated[Path, typer.Option("--dir", help="The lab's folder.", show_default=True)]
DEFAULT_FOLDER = Path(".nftwave/lab")
HEAD = ("CLUSTER", "NODE", "MODE", "KERNEL", "TABLES", "VIRTUAL SERVERS", "KUBE-PROXY", "FAULTS")


class Output(StrEnum):
    """How to print data."""

    TABLE = "table"
    JSON = "json"


def _fail(error: Exception | str, status: int = FAILED) -> NoReturn:
    typer.echo(f"nftwave lab: {error}", err=True)
    raise typer.Exit(status)


@app.command()
def up(
    clusters: Annotated[int, typer.Option(min=1, max=200, help="How many clusters.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, max=1000, help="Nodes a cluster.")] = 5,
    speed: Annotated[
        float,
        typer.Option(
            min=0.1, max=1000, help="10: what takes ten seconds in a real cluster takes one."
        ),
    ] = 10.0,
    kubernetes: Annotated[str, typer.Option(help="The version that everything claims to be.")] = (
        "v1.36.2"
    ),
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NODE=NAME", help="A fault to begin with; see `nftwave lab faults`. Repeatable."
        ),
    ] = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Start a lab and print how to use it."""
    asked = {"clusters": clusters, "nodes": nodes, "speed": speed, "kubernetes": kubernetes}
    try:
        running = Lab(directory).shape()
    except NotRunningError:
        running = None
    if running == asked:
        typer.echo(f"This lab runs already in {directory}.")
    elif running is not None:
        there = (
            f"{running['clusters']} clusters of {running['nodes']} nodes, "
            f"speed {running['speed']:g}, {running['kubernetes']}"
        )
        remedy = f"stop it with nftwave lab down --dir {directory}, or choose another --dir"
        _fail(f"another lab runs in {directory} ({there}): {remedy}", BAD_INPUT)
    else:
        placed = []
        for one in fault or []:
            node, equals, name = one.partition("=")
            if not equals:
                _fail(f"--fault {one!r}: say NODE=NAME, such as lab-1-node-2=slow-sync", BAD_INPUT)
            placed.append((cluster_of(node), node, name))
        try:
            start(
                directory,
                clusters=clusters,
                nodes=nodes,
                speed=speed,
                faults=placed,
                kubernetes=kubernetes,
            )
        except LabError as error:
            _fail(error, BAD_INPUT if isinstance(error, BadRequestError) else FAILED)
    typer.echo(_usage(directory, nodes))


def _usage(directory: Path, nodes: int) -> str:
    node = "lab-1-node-1" if nodes > 1 else "lab-1-cp-1"
    return "\n".join(
        [
            "Look at it:",
            f"  kubectl --kubeconfig {directory}/lab-1.kubeconfig get nodes -o wide",
            f"  ssh -F {directory}/{folder.SSH_CONFIG} {node} sudo nft list tables",
            "Try the program on it:",
            f"  nftwave check --fleet {directory}/{folder.FLEET} lab-1",
            f"  nftwave migrate --fleet {directory}/{folder.FLEET} lab-1",
            "Make trouble, see the truth, stop:",
            f"  nftwave lab fault lab-1 {node} slow-sync --dir {directory}",
            f"  nftwave lab state --dir {directory}",
            f"  nftwave lab down --dir {directory}",
        ]
    )


@app.command()
def down(directory: Folder = DEFAULT_FOLDER) -> None:
    """Stop the lab. Its files stay."""
    try:
        Lab(directory).stop()
    except NotRunningError:
        typer.echo(f"No lab runs in {directory}.")
        return
    except LabError as error:
        _fail(error)
    typer.echo(f"The lab in {directory} is down.")


@app.command()
def fault(cluster: str, node: str, name: str, directory: Folder = DEFAULT_FOLDER) -> None:
    """Begin with a fault. NODE is - for faults of the API server or the whole cluster.

    A fault of the API server can say which requests it hits: api-lost:1@delete/pods is the next
    delete of a pod, api-500:1/2 every second request, api-hang:#4@change the fourth change.
    """
    try:
        Lab(directory).fault(cluster, node, name)
    except LabError as error:
        _fail(error, BAD_INPUT)
    typer.echo(f"{name} on {node if node != '-' else 'no single node'} of {cluster}.")


@app.command()
def clear(
    cluster: Annotated[str | None, typer.Argument()] = None,
    node: Annotated[str | None, typer.Argument()] = None,
    name: Annotated[str | None, typer.Argument()] = None,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """End faults: all, of a cluster, of a node, or one."""
    try:
        Lab(directory).clear(cluster, node, name)
    except LabError as error:
        _fail(error, BAD_INPUT)
    typer.echo("Cleared.")


@app.command()
def state(
    output: Annotated[Output, typer.Option("-o", "--output")] = Output.TABLE,
    directory: Folder = DEFAULT_FOLDER,
) -> None:
    """Show what is true inside the lab's nodes."""
    try:
        found = Lab(directory).state()
    except LabError as error:
        _fail(error)
    if output is Output.JSON:
        typer.echo(json.dumps(found, indent=2))
        return
    rows: list[tuple[str, ...]] = [HEAD]
    for cluster, one in found["clusters"].items():
        if one["api"]["faults"]:
            rows.append((cluster, "-", "", "", "", "", "", " ".join(one["api"]["faults"])))
        rows += [_row(cluster, name, node) for name, node in one["nodes"].items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        typer.echo("   ".join(cells).rstrip())


def _row(cluster: str, name: str, node: dict[str, Any]) -> tuple[str, ...]:
    tables = [table for table in node["tables"] if "kube-proxy" in table]
    proxy = node["kubeProxy"] or {}
    return (
        cluster,
        name,
        str(node["mode"] or "-"),
        str(node["kernel"]),
        ", ".join(tables) or "-",
        str(len(node["virtualServers"])),
        str(proxy.get("state", "-")),
        " ".join(node["faults"]) or "-",
    )


@app.command()
def faults() -> None:
    """List the faults that can be injected."""
    from nftwave.lab.faults import FAULTS

    for name, what in sorted(FAULTS.items()):
        typer.echo(f"{name:<24} {what}")
