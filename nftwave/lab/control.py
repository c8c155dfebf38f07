"""How other processes talk to a running lab: a line of JSON each way, on a loopback port.

The port and a token are in the folder's state file, which only its owner can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

from nftwave.lab import folder
from nftwave.lab.faults import UnknownFaultError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from nftwave.lab.world import World

HOST = "127.0.0.1"
ANSWER_WITHIN = 30.0  # seconds
BAD_REQUEST = 2  # exit status of a lab that was asked to start with what cannot be


class LabError(Exception):
    """The lab cannot do it; the text says what to do about it."""


class BadRequestError(LabError):
    """What was asked for cannot be."""


class NotRunningError(LabError):
    """No lab runs in that folder."""


def ask(directory: Path, operation: str, **arguments: Any) -> Any:
    """Ask the lab that runs in a folder. Raises NotRunningError, BadRequestError."""
    try:
        state = json.loads((directory / folder.STATE).read_text(encoding="utf-8"))
        request = {"token": state["token"], "operation": operation, **arguments}
        with socket.create_connection((HOST, state["port"]), timeout=ANSWER_WITHIN) as connection:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except (OSError, KeyError, ValueError) as error:
        raise NotRunningError(
            f"no lab runs in {directory}: start one with nftwave lab up --dir {directory}"
        ) from error
    if not line:
        raise NotRunningError(f"the lab in {directory} ended without an answer")
    answer = json.loads(line)
    if "error" in answer:
        raise BadRequestError(answer["error"])
    return answer["result"]


class Control:
    """The lab's end of it."""

    def __init__(self, world: World, shape: dict[str, Any], stop: Callable[[], None]) -> None:
        self.token = secrets.token_urlsafe(32)
        self._world = world
        self._shape = shape
        self._stop = stop

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: one request, one answer."""
        with contextlib.closing(writer), contextlib.suppress(ValueError, OSError):
            answer = self._answer(json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if not secrets.compare_digest(str(request.pop("token", "")), self.token):
            return {"error": "the token of the lab's state file is needed"}
        operation = request.pop("operation", "")
        known: dict[str, Callable[..., Any]] = {
            "state": self._world.as_json,
            "shape": lambda: self._shape,
            "fault": self._world.fault,
            "clear": self._world.clear,
            "down": self._down,
        }
        if operation not in known:
            return {"error": f"no operation {operation!r}"}
        try:
            return {"result": known[operation](**request)}
        except UnknownFaultError as error:
            return {"error": str(error)}

    def _down(self) -> int:
        """Begin to end; gives the pid that will be gone."""
        self._stop()
        return os.getpid()
