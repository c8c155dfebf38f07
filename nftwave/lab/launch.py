"""Start a lab, talk to it, stop it: from tests, the demo and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from nftwave.lab import folder
from nftwave.lab.control import BAD_REQUEST, BadRequestError, LabError, NotRunningError, ask

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

UP_WITHIN = 120.0  # seconds
DOWN_WITHIN = 15.0
POLL = 0.02


class Lab:
    """A lab that runs in a folder.

    Attributes:
        directory: its folder.
        fleet_file: the fleet file that describes it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.fleet_file = directory / folder.FLEET

    def kubeconfig(self, cluster: str) -> Path:
        """The kubeconfig of a cluster's administrator."""
        return self.directory / f"{cluster}.kubeconfig"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`."""
        return self.directory / folder.SSH_CONFIG

    def state(self) -> dict[str, Any]:
        """The truth about clusters and nodes. Raises NotRunningError."""
        found: dict[str, Any] = ask(self.directory, "state")
        return found

    def attempts(self, cluster: str = "lab-1") -> list[dict[str, Any]]:
        """The requests that would have changed something, in the order of their answers.

        Each has `time`, `method`, `path`, `userAgent`, `status` (0: not looked at), `dryRun` and
        `fault` (the API's fault that hit it, or empty). Raises NotRunningError.
        """
        found: list[dict[str, Any]] = self.state()["clusters"][cluster]["api"]["attempts"]
        return found

    def shape(self) -> dict[str, Any]:
        """What was asked for: clusters, nodes, speed, kubernetes. Raises NotRunningError."""
        found: dict[str, Any] = ask(self.directory, "shape")
        return found

    def fault(self, cluster: str, node: str, name: str) -> None:
        """Begin with a fault; node `-` is the API server. Raises LabError.

        An API fault can say which requests it hits: `api-lost:1@delete/pods` is the next delete
        of a pod, `api-500:1/2` every second request, `api-hang:#4@change` the fourth change.
        """
        ask(self.directory, "fault", cluster=cluster, node=node, name=name)

    def clear(
        self, cluster: str | None = None, node: str | None = None, name: str | None = None
    ) -> None:
        """End faults: all, of a cluster, of a node, or one. Raises LabError."""
        ask(self.directory, "clear", cluster=cluster, node=node, name=name)

    def stop(self) -> None:
        """Stop the lab and wait until its process has gone. Raises NotRunningError."""
        pid: int = ask(self.directory, "down")
        deadline = time.monotonic() + DOWN_WITHIN
        while not _gone(pid):
            if time.monotonic() > deadline:
                raise LabError(f"the lab in {self.directory} does not end: see {folder.LOG} there")
            time.sleep(POLL)


def start(
    directory: Path,
    *,
    clusters: int = 1,
    nodes: int = 5,
    speed: float = 10.0,
    faults: Sequence[tuple[str, str, str]] = (),
    kubernetes: str = "v1.36.2",
    tied: bool = False,
) -> tuple[Lab, subprocess.Popen[bytes]]:
    """Start a lab's process and wait until it serves.

    Args:
        directory: made if it is not there; its files are written over.
        clusters: how many.
        nodes: a cluster, control plane included.
        speed: 10 makes what takes ten seconds in a real cluster take one.
        faults: cluster, node and name of each, injected before anything is served.
        kubernetes: the version that everything claims to be.
        tied: the lab ends when this process does.

    Raises:
        BadRequestError: a fault that cannot be.
        LabError: it did not start; the text has the end of its log.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.absolute()
    command = [
        sys.executable,
        "-m",
        "nftwave.lab.serve",
        str(directory),
        "--clusters",
        str(clusters),
        "--nodes",
        str(nodes),
        "--speed",
        str(speed),
        "--kubernetes",
        kubernetes,
        *(word for fault in faults for word in ("--fault", *fault)),
        *(["--tied"] if tied else []),
    ]
    (directory / folder.STATE).unlink(missing_ok=True)
    with (directory / folder.LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for whoever uses the lab, not for the lab
        )
    _wait_until_up(directory, process)
    return Lab(directory), process


def _gone(pid: int) -> bool:
    """Whether the process has ended; if it was ours, take its exit status."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _wait_until_up(directory: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + UP_WITHIN
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            end = (directory / folder.LOG).read_text(encoding="utf-8", errors="replace")[-1000:]
            if process.wait() == BAD_REQUEST:
                raise BadRequestError(end.strip().splitlines()[-1])
            raise LabError(f"the lab did not start; the end of {directory / folder.LOG}:\n{end}")
        try:
            state = json.loads((directory / folder.STATE).read_text(encoding="utf-8"))
            if state["pid"] == process.pid:
                return
        except (OSError, ValueError):
            time.sleep(POLL)


@contextlib.contextmanager
def running_lab(
    directory: Path,
    *,
    clusters: int = 1,
    nodes: int = 5,
    speed: float = 10.0,
    faults: Sequence[tuple[str, str]] = (),
    kubernetes: str = "v1.36.2",
) -> Iterator[Lab]:
    """A lab for the length of a with-block. It ends with this process at the latest.

    Args:
        faults: node and name of each; a node's cluster is in its name. The API server of the
            first cluster is `-`.
    Others as `start`. Raises LabError if the lab does not start.
    """
    placed = [(cluster_of(node), node, name) for node, name in faults]
    lab, process = start(
        directory,
        clusters=clusters,
        nodes=nodes,
        speed=speed,
        faults=placed,
        kubernetes=kubernetes,
        tied=True,
    )
    try:
        yield lab
    finally:
        with contextlib.suppress(NotRunningError):
            lab.stop()
        if process.stdin:
            process.stdin.close()
        process.wait(DOWN_WITHIN)


def cluster_of(node: str) -> str:
    """The cluster of a lab's node, which its name begins with."""
    return "lab-1" if node == "-" else "-".join(node.split("-")[:2])
