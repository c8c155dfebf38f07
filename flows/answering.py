"""Answering a run that waits for approval, from a terminal."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx

from flows.server import default_home, running_server
from nftwave.errors import BadInput, NftwaveError, Unreachable

ANSWER_DEADLINE = 20.0
"""Seconds: Prefect saves the form's schema a moment later than the pause, and refuses answers
until then (measured, Prefect 3.9.1)."""
HOMES = (Path(".nftwave/demo/prefect"),)
"""Folders of embedded servers that are looked at beside the default one."""


def answer(run: str, *, decision: str, approver: str, reason: str) -> None:
    """Resume a paused run with a decision.

    Raises:
        BadInput: no such run, or it waits for nothing.
        Unreachable: no Prefect server.
        NftwaveError: the server refused the answer.
    """
    url = _api_url()
    state = _paused(url, run)
    until = time.monotonic() + ANSWER_DEADLINE
    form = {"decision": decision, "approver": approver, "reason": reason}
    while True:
        refused = _resume(f"{url}/flow_runs/{run}/resume", form)
        if not refused:
            return
        if "Validation failed" in refused:
            raise BadInput(f"the answer is not accepted: {refused.rpartition(': ')[2]}")
        if time.monotonic() > until:
            raise NftwaveError(
                f"Prefect did not take the answer: {refused}",
                unchanged=f"the run is still {state}",
                next_step=f"answer it in the UI: {url.removesuffix('api')}flow-runs/flow-run/{run}",
            )
        time.sleep(0.5)


def _resume(url: str, form: dict[str, str]) -> str:
    """Why the server does not take the answer; empty where it does."""
    try:
        result = _call(url, {"run_input": form})
    except httpx.HTTPStatusError as error:
        # 503: SQLite was busy (measured under load); the same again is taken.
        if error.response.is_server_error:
            return str(error)
        raise
    if result["status"] == "ACCEPT":
        return ""
    return str((result.get("details") or {}).get("reason", "no reason given"))


def _paused(url: str, run: str) -> str:
    try:
        found = _call(f"{url}/flow_runs/{run}")
    except httpx.HTTPStatusError as error:
        raise BadInput(
            f"no flow run {run!r} at {url}",
            next_step="the run prints its id and the whole command when it begins to wait",
        ) from error
    state = found.get("state") or {}
    if state.get("type") != "PAUSED":
        raise BadInput(f"flow run {run} waits for nothing: it is {state.get('name', 'new')}")
    return str(state["name"])


def _api_url() -> str:
    named = os.environ.get("PREFECT_API_URL", "").strip()
    if named:
        return named.rstrip("/")
    for home in (default_home(), *HOMES):
        server = running_server(home)
        if server:
            return server["url"]
    raise Unreachable(
        "no Prefect server runs here that a run could wait in",
        unchanged="nothing was answered",
        next_step="set PREFECT_API_URL to the server's …/api",
    )


def _call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    try:
        reply = httpx.request(
            "GET" if body is None else "POST", url, json=body, headers=_key(), auth=_login()
        )
        reply.raise_for_status()
    except httpx.HTTPStatusError:
        raise
    except httpx.HTTPError as error:
        raise Unreachable(f"no answer from the Prefect server at {url}: {error}") from error
    found: dict[str, Any] = reply.json()
    return found


def _login() -> tuple[str, str] | None:
    """Basic authentication, by Prefect's own setting."""
    user, _, password = os.environ.get("PREFECT_API_AUTH_STRING", "").partition(":")
    return (user, password) if user else None


def _key() -> dict[str, str]:
    key = os.environ.get("PREFECT_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}
