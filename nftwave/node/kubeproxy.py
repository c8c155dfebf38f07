"""What kube-proxy answers on its loopback ports: `/proxyMode`, `/metrics`, `/healthz`.

The probe asks with whatever client the node has, so an answer may come with headers (curl -i), with
indented headers (wget -S, which shows no blank line after them) or, from an old busybox wget,
without.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from nftwave.node.facts import Family, Health, Labelled

_STATUS = re.compile(r"HTTP/\d(?:\.\d)? (\d{3})\b")
_HEADER = re.compile(r"\s*[A-Za-z0-9-]+:(\s|$)")
_SAMPLE = re.compile(r"([a-z_]+)(?:\{([^}]*)\})? (\S+)")
_LABEL = re.compile(r'ip_family="(IPv[46])"')
_FAMILIES: dict[str, Family] = {"IPv4": "ip", "IPv6": "ip6"}
_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: str


def answer(text: str, *, ok: bool) -> Answer:
    """The last answer in what the client printed; ValueError if nobody answered."""
    lines = text.replace("\r", "").split("\n")
    heads = [index for index, line in enumerate(lines) if _STATUS.search(line)]
    if not heads:
        if ok:
            return Answer(_OK, text)
        told = [line for line in lines if line.strip()]
        raise ValueError(f"kube-proxy did not answer: {told[0].strip() if told else 'no output'}")
    found = _STATUS.search(lines[heads[-1]])
    rest = lines[heads[-1] + 1 :]
    while rest and _HEADER.match(rest[0]):
        rest = rest[1:]
    return Answer(int(found[1]) if found else 0, "\n".join(rest).strip())


def proxy_mode(text: str, *, ok: bool) -> str:
    """The mode that `/proxyMode` names."""
    got = answer(text, ok=ok)
    if got.status != _OK or not re.fullmatch(r"[a-z]+", got.body):
        raise ValueError(f"/proxyMode answered {got.status} {got.body[:40]!r}")
    return got.body


def samples(text: str, *, ok: bool, name: str) -> dict[Labelled, float]:
    """The samples of one metric, by the IP family that each names (1.36.2 does, measured)."""
    got = answer(text, ok=ok)
    if got.status != _OK:
        raise ValueError(f"/metrics answered {got.status}")
    found: dict[Labelled, float] = {}
    for line in got.body.split("\n"):
        sample = _SAMPLE.fullmatch(line.strip())
        if not sample or sample[1] != name:
            continue
        value = float(sample[3])
        if not math.isfinite(value):
            raise ValueError(f"{name} is {sample[3]}")
        label = _LABEL.search(sample[2] or "")
        found[_FAMILIES[label[1]] if label else "any"] = value
    return found


def process_started(text: str, *, ok: bool) -> float:
    """`process_start_time_seconds`, seconds since the epoch."""
    started = samples(text, ok=ok, name="process_start_time_seconds")
    if "any" not in started:
        raise ValueError("/metrics has no process_start_time_seconds")
    return started["any"]


def health(text: str, *, ok: bool) -> Health:
    """`/healthz`: its status, and each family's where the body tells.

    1.36.2 tells (measured); older kube-proxies do not.
    """
    got = answer(text, ok=ok)
    try:
        told = json.loads(got.body)["status"]
        families = {_FAMILIES[name]: bool(state["healthy"]) for name, state in told.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        families = {}
    return Health(got.status, families)
