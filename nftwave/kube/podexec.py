"""Running one command in a container through the API server, as `kubectl exec` does.

The kubernetes library's stream is used. It puts its own method in the place of one of the client's
while a call is under way, so every call gets a client of its own.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nftwave.errors import Unreachable
from nftwave.kube.gateway import CONNECT_TIMEOUT

if TYPE_CHECKING:
    from nftwave.kube.gateway import Gateway

NOT_STARTED = 126
"""Exit status of a command that could not be started; an image that does not have it says so."""
LIMIT = 8 * 1024 * 1024
"""Characters that a command may print."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed on both its streams, and its exit status."""

    stdout: str
    stderr: str
    status: int


def run_in_pod(
    gateway: Gateway, namespace: str, pod: str, command: list[str], *, deadline: float
) -> Said:
    """Run a command in a pod's only container.

    Args:
        command: a program of the image and its arguments; no shell is asked.
        deadline: seconds for all of it.

    Raises:
        Unreachable: the API server or the kubelet refused, or no end came in time.
    """
    import websocket

    stream = _open(gateway, namespace, pod, command)
    try:
        return _read(stream, f"exec of `{command[0]}` in {pod}", time.monotonic() + deadline)
    except (OSError, websocket.WebSocketException) as error:
        raise Unreachable(f"exec of `{command[0]}` in {pod}: {error}") from error
    finally:
        stream.close()


STDOUT, STDERR, ENDING = 1, 2, 3
"""Channels of an exec; on the last one the command's Status comes (Kubernetes source)."""


def _read(stream: Any, what: str, until: float) -> Said:
    told: dict[int, list[str]] = {STDOUT: [], STDERR: [], ENDING: []}
    while True:
        is_open = stream.is_open()
        if is_open:
            stream.update(timeout=min(1.0, max(0.0, until - time.monotonic())))
        for channel, parts in told.items():
            parts.append(stream.read_channel(channel))
        if not is_open:
            break
        if time.monotonic() > until:
            raise Unreachable(f"{what}: no end in time")
        if sum(len(part) for parts in told.values() for part in parts) > LIMIT:
            raise Unreachable(f"{what}: more than {LIMIT} characters")
    out, err, ending = ("".join(parts) for parts in told.values())
    status, why = _ending(ending)
    return Said(out, err or why, status)


def _open(gateway: Gateway, namespace: str, pod: str, command: list[str]) -> Any:
    import websocket
    from kubernetes import client
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream

    # The library leaves it at no limit: a server that takes the connection and then is silent
    # would be waited for without an end.
    websocket.setdefaulttimeout(CONNECT_TIMEOUT)
    api = client.CoreV1Api(client.ApiClient(gateway.configuration))
    try:
        return stream(
            api.connect_get_namespaced_pod_exec,
            pod,
            namespace,
            command=command,
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
    except ApiException as error:
        raise Unreachable(
            f"exec in {pod}: {_plain(str(error.reason))}",
            next_step="access exec needs the verbs get and create on pods/exec in kube-system;"
            " deployments/rbac.yaml tells how",
        ) from error


def _plain(reason: str) -> str:
    """The status line of a refused handshake, and the server's own message."""
    line, *_, body = f"{reason} -+-+- ".split(" -+-+- ")[:3]
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, LookupError, TypeError):
        message = ""
    return ": ".join(filter(None, (line.strip(), message)))[:300]


def _ending(text: str) -> tuple[int, str]:
    """Exit status, and why it is not 0, from the Status that ends an exec."""
    try:
        told = json.loads(text)
        if told["status"] == "Success":
            return 0, ""
        causes = (told.get("details") or {}).get("causes") or ()
        codes = [c["message"] for c in causes if c.get("reason") == "ExitCode"]
        return (int(codes[0]) if codes else NOT_STARTED), str(told.get("message", ""))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreachable(f"the exec ended without a status: {text[:100]!r}") from error
