"""Logs of pods: `GET …/pods/NAME/log`."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nftwave.lab.api.calls import Answer, Stream
from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import parse_time

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from nftwave.lab.api.backend import Backend
    from nftwave.lab.api.calls import Call
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.store.store import Store

_TEXT = "text/plain"
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
# Seconds between two looks at a log that is followed.
_FOLLOW_PERIOD = 0.2

# klog's head, in which kube-proxy's lines carry their own time: I1122 02:52:19.330566
_KLOG = re.compile(r"[IWEF](\d{2})(\d{2}) (\d{2}):(\d{2}):(\d{2})\.(\d{6})")


async def pod_log(store: Store, backend: Backend, call: Call) -> Answer | Stream:
    """The log that a request asks for, cut as it asks.

    Raises:
        ApiStatus: 404 if there is no such pod, 400 if there is no such container or log.
    """
    pod = store.version("pods", call.info.namespace, call.info.name).obj
    container = container_of(pod, call.query.get("container"))
    previous = call.flag("previous")
    text = await backend.pod_log(pod, container=container, previous=previous)
    if text is None:
        raise status.bad_request(_no_log(pod, container, previous=previous))
    cut = _cut(text, call)
    if not call.flag("follow"):
        return Answer(200, cut.encode(), _TEXT)
    return Stream(_follow(store, backend, pod, container=container, seen=text, cut=cut), _TEXT)


def container_of(pod: Object, asked: str | None) -> str:
    """The container that is meant; ApiStatus 400 if there is none such."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    name = pod["metadata"]["name"]
    if asked:
        if asked not in names:
            raise status.bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    default = pod["metadata"].get("annotations", {}).get(_DEFAULT_CONTAINER)
    if default in names:
        return str(default)
    if len(names) > 1:
        raise status.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    return str(names[0])


def _no_log(pod: Object, container: str, *, previous: bool) -> str:
    name = pod["metadata"]["name"]
    if previous:
        return f'previous terminated container "{container}" in pod "{name}" not found'
    reason = "ContainerCreating"
    for found in pod.get("status", {}).get("containerStatuses") or []:
        if found["name"] == container:
            reason = found.get("state", {}).get("waiting", {}).get("reason", reason)
    if reason in {"ErrImagePull", "ImagePullBackOff"}:
        why = "trying and failing to pull image"
        return f'container "{container}" in pod "{name}" is waiting to start: {why}'
    return f'container "{container}" in pod "{name}" is waiting to start: {reason}'


def _cut(text: str, call: Call) -> str:
    """`sinceSeconds`, `sinceTime`, `tailLines`, `timestamps` and `limitBytes`, in that order."""
    lines = text.splitlines(keepends=True)
    since, seconds = call.query.get("sinceTime"), call.number("sinceSeconds")
    if since or seconds is not None:
        start = parse_time(since) if since else datetime.now(UTC) - timedelta(seconds=seconds or 0)
        lines = [line for moment, line in _timed(lines) if moment >= start]
    tail = call.number("tailLines")
    if tail is not None:
        lines = lines[-tail:] if tail else []
    if call.flag("timestamps"):
        lines = [f"{moment:%Y-%m-%dT%H:%M:%S.%f}000Z {line}" for moment, line in _timed(lines)]
    limit = call.number("limitBytes")
    cut = "".join(lines).encode()[:limit]
    return cut.decode(errors="ignore")


def _timed(lines: list[str]) -> list[tuple[datetime, str]]:
    """Each line with its time; lines without a head of their own share that of the line before."""
    moment = datetime.fromtimestamp(0, UTC)
    timed = []
    for line in lines:
        if match := _KLOG.match(line):
            moment = _klog_time([int(part) for part in match.groups()])
        timed.append((moment, line))
    return timed


def _klog_time(parts: list[int]) -> datetime:
    """The latest moment that a head without a year can mean."""
    now = datetime.now(UTC)
    month, day, hour, minute, second, microsecond = parts
    moment = datetime(now.year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    # Clocks may differ by a little; a day ahead is last year.
    return moment if moment < now + timedelta(days=1) else moment.replace(year=now.year - 1)


async def _follow(
    store: Store, backend: Backend, pod: Object, *, container: str, seen: str, cut: str
) -> AsyncGenerator[bytes]:
    """The log as it grows, until its container or pod ends."""
    metadata = pod["metadata"]
    if cut:
        yield cut.encode()
    while True:
        await asyncio.sleep(_FOLLOW_PERIOD)
        now = store.get("pods", metadata["namespace"], metadata["name"])
        if now is None or now["metadata"]["uid"] != metadata["uid"]:
            return
        text = await backend.pod_log(now, container=container, previous=False)
        # A log that does not continue the one seen belongs to the next container.
        if text is None or not text.startswith(seen):
            return
        if len(text) > len(seen):
            yield text[len(seen) :].encode()
            seen = text
