"""From what a command or a form names to one cluster."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from nftwave.errors import BadInput
from nftwave.fleet import Cluster, explicit_cluster, load_fleet

FLEET_FILE = Path("fleet.yaml")
FLEET_VARIABLE = "NFTWAVE_FLEET"


def open_cluster(
    name: str | None,
    fleet: Path | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
) -> Cluster:
    """The cluster of that name in the fleet file, or the one of kubeconfig and context.

    Raises:
        BadInput: the two ways are mixed, one is only half given, or the file has a mistake.
    """
    if kubeconfig or context:
        if fleet:
            raise BadInput("give a fleet file, or --kubeconfig and --context, not both")
        if not (kubeconfig and context):
            missing = "--context" if kubeconfig else "--kubeconfig"
            raise BadInput(f"{missing} is missing: a cluster's context is never guessed")
        found = explicit_cluster(kubeconfig, context)
        return found.model_copy(update={"name": name}) if name else found
    if not name:
        raise BadInput(
            "no cluster given",
            next_step="name one of the fleet file, or give --kubeconfig and --context",
        )
    return load_fleet(fleet_file(fleet)).cluster(name)


def fleet_file(given: Path | None) -> Path:
    """The fleet file: as given, else of the environment, else ./fleet.yaml."""
    return given or Path(os.environ.get(FLEET_VARIABLE) or FLEET_FILE)


def called(
    name: str, fleet: Path | None, kubeconfig: Path | None = None, context: str | None = None
) -> str:
    """How a command names the same cluster, for what a person is told to type."""
    if kubeconfig and context:
        return shlex.join([name, "--kubeconfig", str(kubeconfig), "--context", context])
    return shlex.join([name, "--fleet", _short(fleet)]) if fleet else name


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
