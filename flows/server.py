"""A Prefect server of our own, for a laptop and for the demo.

Prefect's own ephemeral server loses records (of 1,000 task runs 26 were recorded as completed;
measured, Prefect 3.9.1), so this is a real one, a child process: on a free loopback port, with its
UI, and with SQLite in a folder of its own. Runs at the same time share one server: who comes first
starts it, who leaves last stops it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx

from nftwave.errors import BadInput, NftwaveError

START_DEADLINE = 180.0
"""Seconds for a server to become healthy; 4 to 12 s measured on 2 cores, the first start of a new
folder being the slow one."""
NAMED_DEADLINE = 15.0
STOP_DEADLINE = 10.0
DRAIN_DEADLINE = 10.0

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "nftwave",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # A server that goes away in mid-run must not keep nodes waiting: 5 tries take minutes.
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    # An empty PREFECT_API_URL breaks the client's events, so it is set or absent, never empty.
}


def default_home() -> Path:
    """Folder of the embedded server: its database, its log, its storage."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "nftwave" / "prefect"


@contextmanager
def prefect_api(home: Path | None = None) -> Iterator[str]:
    """The URL of a Prefect API, set in the environment for the time of the context.

    The server that PREFECT_API_URL names, else one of our own. To be entered before Prefect is
    imported, since it reads its settings then.
    """
    os.environ.update({k: v for k, v in SETTINGS.items() if k not in os.environ})
    named = os.environ.get("PREFECT_API_URL", "").strip()
    if named:
        _see_that_it_answers(named)
        yield named
        return
    folder = home or default_home()
    with _shared_server(folder) as url:
        os.environ.update(PREFECT_API_URL=url, PREFECT_HOME=str(folder))
        try:
            yield url
        finally:
            _drain()
            del os.environ["PREFECT_API_URL"]


def _see_that_it_answers(url: str) -> None:
    """Before anything is begun: Prefect's client would try for minutes.

    Raises:
        BadInput: nothing answers there.
    """
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=NAMED_DEADLINE)
    except httpx.HTTPError as error:
        raise BadInput(
            f"no Prefect server answers at {url}: {error}",
            field="PREFECT_API_URL",
            next_step="start it, or unset PREFECT_API_URL to use a server of our own",
        ) from error


def _drain() -> None:
    """Send what Prefect's client still holds, before the server goes.

    Its logs and task states travel in the background; against a server that is gone already, its
    own exit tries for a minute and complains.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        with suppress(Exception):  # what is lost is a copy in the UI
            worker.drain_all(timeout=DRAIN_DEADLINE)


@contextmanager
def _shared_server(home: Path) -> Iterator[str]:
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "users.lock").open("a+") as users, (home / "start.lock").open("a+") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            server = running_server(home) or _start(home)
        finally:
            fcntl.flock(starting, fcntl.LOCK_UN)
        try:
            yield server["url"]
        finally:
            _stop_if_last(home, users, starting)


def running_server(home: Path) -> dict[str, str] | None:
    """`url` and `pid` of the embedded server of a folder, None where none answers."""
    with suppress(OSError, ValueError):
        server: dict[str, str] = json.loads((home / "server.json").read_text())
        if _healthy(server["url"]):
            return server
    return None


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _start(home: Path) -> dict[str, str]:
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    log = home / "server.log"
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_UI_API_URL": url,
    }
    environment.pop("PREFECT_API_URL", None)
    with log.open("w") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            # Of its own session: Ctrl-C in the terminal must reach us, not the server under us.
            start_new_session=True,
        )
    server = {"url": url, "pid": str(child.pid)}
    _await_health(child, url, log)
    (home / "server.json").write_text(json.dumps(server))
    return server


def _await_health(child: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + START_DEADLINE
    while not _healthy(url):
        died = child.poll() is not None
        if died or time.monotonic() > until:
            _kill(child.pid)
            last = " | ".join(log.read_text(errors="replace").split("\n")[-6:]).strip()
            how = "ended at once" if died else f"was not healthy after {START_DEADLINE:.0f} s"
            raise NftwaveError(
                f"the embedded Prefect server {how}: {last}",
                unchanged="no cluster was touched",
                next_step=f"see {log}, or name a server of your own in PREFECT_API_URL",
            )
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _stop_if_last(home: Path, users: IO[str], starting: IO[str]) -> None:
    """Stop the server unless another run still uses it; nobody may start one meanwhile."""
    fcntl.flock(starting, fcntl.LOCK_EX)
    try:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        with suppress(OSError, ValueError):
            _kill(int(json.loads((home / "server.json").read_text())["pid"]))
            (home / "server.json").unlink()
    finally:
        fcntl.flock(starting, fcntl.LOCK_UN)


def _kill(pid: int) -> None:
    """End a server and what it started; by force if it does not end in time."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
        until = time.monotonic() + STOP_DEADLINE
        while time.monotonic() < until:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    return
            os.kill(pid, 0)
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)
