"""What the running kube-proxy tells of itself: its mode, whose process it is, its syncs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nftwave.evidence.look import sample
from nftwave.evidence.model import Evidence, Standing
from nftwave.node.facts import NodeFacts, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.evidence.look import Seen
    from nftwave.node.facts import Family

START_SLACK = 30.0
"""Seconds that a process may seem to start before or after its container: startedAt is cut to whole
seconds, and a slow node takes its time between the two."""
_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})")


def proxy_mode(seen: Seen) -> Evidence:
    """What `/proxyMode` answers."""
    mode, command = seen.facts.proxy_mode, seen.facts.commands.get("proxy_mode", "")
    if isinstance(mode, Unknown):
        return Evidence("/proxyMode", Standing.UNKNOWN, mode.reason, command)
    right = mode == seen.expected.mode
    told = mode if right else f"{mode}, not {seen.expected.mode}"
    return Evidence("/proxyMode", Standing.of(right), told, command)


def answering_process(seen: Seen) -> Evidence:
    """Whether what answers on 10249 is the container that the API server tells of.

    The cgroup of the process that listens there names its pod. Where it cannot be had, the start
    times are compared; they can lie apart although all is well, because a process's start is
    worked out from the boot time, which moves when the clock is stepped. So by times alone a node
    is verified or unknown, never failed.
    """
    name = "answering process"
    holder, pod = seen.facts.listener, seen.look.pod
    if pod is None or pod.started is None:
        command = seen.facts.commands.get("process_started", "")
        return Evidence(name, Standing.UNKNOWN, "no running container to compare with", command)
    owner = None if isinstance(holder, Unknown) else _POD.search(holder)
    if owner:
        command = seen.facts.commands.get("listener", "")
        uid = owner[1].replace("_", "-")
        told = "that of the pod" if uid == pod.uid else f"of pod {uid}, not of {pod.name}"
        return Evidence(name, Standing.of(uid == pod.uid), told, command)
    command, started = seen.facts.commands.get("process_started", ""), seen.facts.process_started
    if isinstance(started, Unknown):
        return Evidence(name, Standing.UNKNOWN, started.reason, command)
    apart = started - pod.started
    told = f"started {apart:+.0f} s from the container's start"
    if abs(apart) <= START_SLACK:
        return Evidence(name, Standing.VERIFIED, told, command)
    why = holder.reason if isinstance(holder, Unknown) else holder
    told += f": another process, or a clock that was stepped; its pod is not known ({why})"
    return Evidence(name, Standing.UNKNOWN, told, command)


def first_sync(seen: Seen, family: Family) -> Evidence:
    """Whether this container has synced: tables of a dead kube-proxy look the same."""
    name, facts = f"first sync {family}", seen.facts
    command = facts.commands.get("last_sync", "")
    if isinstance(facts.last_sync, Unknown):
        return Evidence(name, Standing.UNKNOWN, facts.last_sync.reason, command)
    if seen.still_syncing(family):
        return Evidence(name, Standing.UNKNOWN, _syncing(seen), command)
    synced = sample(facts.last_sync, family)
    if not synced:
        return Evidence(name, Standing.FAILED, "no sync yet", command)
    pod = seen.look.pod
    if pod is None or pod.started is None:
        return Evidence(name, Standing.UNKNOWN, "no running container to compare with", command)
    after = synced - pod.started
    told = f"{abs(after):.1f} s {'after' if after >= 0 else 'before'} the container's start"
    return Evidence(name, Standing.of(after >= 0), told, command)


def _syncing(seen: Seen) -> str:
    told = f"still syncing, {seen.age or 0:.0f} s after the container's start"
    if seen.expected.deadline is None:
        return told
    return f"{told}; policy.deadlines.verify gives it {seen.expected.deadline:g} s"


def sync_failures(seen: Seen) -> Iterable[Evidence]:
    """Whether syncs of nftables fail now; one that failed once and then succeeded is no fault.

    A failed sync is tried again (after 30 s, Kubernetes 1.36 source), and the counter stays for the
    life of the process: so it counts that it grows, or that no success followed what was queued.
    """
    name, facts = "sync failures", seen.facts
    command = facts.commands.get("sync_failures", "")
    if isinstance(facts.sync_failures, Unknown):
        yield Evidence(name, Standing.UNKNOWN, facts.sync_failures.reason, command)
        return
    failures = sum(facts.sync_failures.values())
    earlier = _failures_before(seen)
    if not failures:
        yield Evidence(name, Standing.VERIFIED, "0", command)
    elif earlier is not None and failures > earlier:
        told = f"{failures:.0f}, {failures - earlier:.0f} more than at the look before"
        yield Evidence(name, Standing.FAILED, told, command)
    elif _all_synced(facts):
        told = f"{failures:.0f} since its start, and a sync that succeeded after them"
        yield Evidence(name, Standing.VERIFIED, told, command)
    else:
        told = f"{failures:.0f} since its start, and what was queued last is not synced"
        yield Evidence(name, Standing.FAILED, told, command)


def _failures_before(seen: Seen) -> float | None:
    facts = seen.first.facts if seen.first else None
    if not isinstance(facts, NodeFacts) or isinstance(facts.sync_failures, Unknown):
        return None
    return sum(facts.sync_failures.values())


def _all_synced(facts: NodeFacts) -> bool:
    """Whether every family's last success is later than what was queued last."""
    synced, queued = facts.last_sync, facts.last_queued
    if isinstance(synced, Unknown) or isinstance(queued, Unknown) or not synced:
        return False
    return all(synced.get(family, 0.0) >= asked for family, asked in queued.items())
