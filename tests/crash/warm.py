"""A process that has everything imported, and makes others of itself at once.

    python -m tests.crash.warm

Reads a request a line, as JSON, and answers with a line when it has come to its end: `lab` is a
lab (answered when it serves), `run` a flow of ours. A child is forked before any thread or event
loop exists here, so it is as if it had been started anew.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.crash import standin
from tests.crash.killing import Point, watch


def run(request: dict[str, Any]) -> None:
    """Run a flow to its outcome, or until it is killed."""
    from flows.migrate_cluster import migrate_cluster
    from flows.rollback_cluster import rollback_cluster

    folder = Path(request["folder"])
    point = Point(**request["point"]) if request["point"] else None
    watch(folder / f"{request['name']}.calls", point)
    fleet = folder / "fleet.yaml"
    if request["flow"] == "migrate":
        state = migrate_cluster("lab-1", fleet=fleet, approve_by=request["approve_by"])
    else:
        state = rollback_cluster("lab-1", fleet=fleet)
    tell(state.data, folder / f"{request['name']}.outcome")


def tell(outcome: Any, path: Path) -> None:
    """Write what a run said at its end."""
    told = {
        "status": outcome.status,
        "exit_status": outcome.exit_status,
        "words": outcome.words(),
    }
    path.write_text(json.dumps(told))


def lab(request: dict[str, Any]) -> None:
    """Be a lab until this is killed or told to end."""
    from nftwave.lab import serve

    sys.argv = ["nftwave-lab", request["folder"], *request["arguments"]]
    serve.main()


def _fork(request: dict[str, Any]) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        log = os.open(Path(request["folder"]) / f"{request['name']}.log", os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        {"run": run, "lab": lab}[request["what"]](request)
        status = 0
    except BaseException:  # noqa: BLE001 (a fork must never go on as its parent)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    """Serve requests until standard input ends; then end what is left."""
    standin.install()
    # What is imported late elsewhere, here is imported once for all.
    for module in ("kubernetes.client", "kubernetes.config", "paramiko", "nftwave.lab.serve"):
        importlib.import_module(module)
    for flow in ("migrate_cluster", "rollback_cluster"):
        importlib.import_module(f"flows.{flow}")
    # What is here stays: a child's collector would have it copied by looking at it.
    gc.collect()
    gc.freeze()
    children: dict[int, int] = {}
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pending = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                break
            *lines, pending = (pending + read).split(b"\n")
            for line in lines:
                request = json.loads(line)
                children[_fork(request)] = request["id"]
        _reap(children)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        answer = {"id": children.pop(pid), "status": os.waitstatus_to_exitcode(status)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
