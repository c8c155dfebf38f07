"""From ipvs to nftables: the edit of `config.conf`, with every other byte kept."""

from __future__ import annotations

import copy
import difflib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from ruamel.yaml.nodes import MappingNode

from nftwave.proxyconfig.config import configuration, document
from nftwave.proxyconfig.errors import FILE, NotEditable, Unreadable
from nftwave.proxyconfig.spans import Text
from nftwave.proxyconfig.steps import ABSENT, REMOVED, Note, Step, notes, shown, steps, written


@dataclass(frozen=True, slots=True)
class Change:
    """One field of the configuration, before and after, in the words of YAML flow style."""

    path: str
    before: str
    after: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Edit:
    """The new text, and what is new in it; `text` is the old one where nothing is."""

    text: str
    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()


@lru_cache(maxsize=32)  # several rules and each plan ask for the same edit; 250 ms a time
def to_nftables(text: str, *, node_port_addresses: Literal["keep-reach", "primary"]) -> Edit:
    """Plan the edit of the text of `config.conf` from ipvs to nftables.

    A text whose mode is nftables already comes back as it is. `primary` leaves unset
    nodePortAddresses unset: in nftables mode that means the primary addresses.

    Raises:
        Unreadable: as `read` does.
        NotEditable: an edit in place would not be safe.
    """
    found = document(text)
    now = configuration(found)
    if now.mode == "nftables":
        return Edit(text, ())
    planned = tuple(steps(now, found.value, node_port_addresses))
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    edited = mark + _rewritten(text.removeprefix(mark), planned)
    _same_but(found.value, edited, planned)
    changes = tuple(
        Change(".".join(s.path), shown(_at(found.value, s.path)), shown(s.value), s.why, s.source)
        for s in planned
    )
    return Edit(edited, changes, tuple(notes(now, node_port_addresses)))


def render_diff(before: str, after: str) -> str:
    """Unified diff of two texts of `config.conf`; empty where they are the same."""
    name = f"kube-proxy/{FILE}"
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (now)", f"{name} (planned)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _rewritten(text: str, planned: tuple[Step, ...]) -> str:
    spans = Text(text)
    nested = {step.path[1]: written(step.value) for step in planned if len(step.path) > 1}
    if nested:  # first, for where both end up behind the last line, the deeper one comes first
        _carry(spans, nested)
    mode = spans.entry("mode")
    for step in (step for step in planned if len(step.path) == 1):
        entry = spans.entry(step.path[0])
        if entry is None:
            spans.add_line_after(mode, f"{step.path[0]}: {written(step.value)}")
        elif step.value is REMOVED:
            spans.cut(entry)
        else:
            spans.set_value(entry, written(step.value))
    return spans.done()


def _carry(spans: Text, fields: dict[str, str]) -> None:
    """Write fields into the nftables block, over what stands there or beside it."""
    block = spans.entry("nftables")
    if block is None:
        flow = ", ".join(f"{name}: {new}" for name, new in fields.items())
        spans.add_line_after(spans.entry("mode"), f"nftables: {{{flow}}}")
        return
    spans.require_plain(block.value)
    missing = {}
    for name, new in fields.items():
        node = block.value
        there = spans.entry(name, within=node) if isinstance(node, MappingNode) else None
        if there:
            spans.set_value(there, new)
        else:
            missing[name] = new
    if missing:
        spans.add_fields(block, missing)


def _same_but(old: dict[str, Any], edited: str, planned: tuple[Step, ...]) -> None:
    """Make sure that the edited text says what the old one did, but for the steps."""
    wanted = copy.deepcopy(old)
    for step in planned:
        above = wanted
        for key in step.path[:-1]:
            above[key] = above.get(key) or {}
            above = above[key]
        if step.value is REMOVED:
            del above[step.path[-1]]
        else:
            above[step.path[-1]] = step.value
    try:
        found = document(edited).value
    except Unreadable:
        found = None
    # As JSON, because to Python 1 is True and 14 is 14.0.
    if json.dumps(found, sort_keys=True) != json.dumps(wanted, sort_keys=True):
        raise NotEditable("an edit in place would change more than is planned")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key, ABSENT) if isinstance(value, dict) else ABSENT
    return value
