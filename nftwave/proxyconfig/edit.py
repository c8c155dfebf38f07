"""From ipvs to nftables: the edit of `config.conf`, with every other byte kept."""

from __future__ import annotations

import copy
import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ruamel.yaml.nodes import MappingNode

from nftwave.proxyconfig.config import Masquerade, ProxyConfig, configuration, document
from nftwave.proxyconfig.errors import FILE, NotEditable
from nftwave.proxyconfig.spans import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

REACH: Final = ("0.0.0.0/0", "::/0")
"""All addresses of both families. kube-proxy sorts the list by family and takes what is its own, so
both are right for clusters of one family too (Kubernetes 1.36 source, pkg/proxy/util)."""

DEFAULT_ALL: Final = False
DEFAULT_BIT: Final = 14
"""kube-proxy's own masqueradeBit (Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1)."""

_REMOVED: Final = object()
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One field of the configuration, before and after, in the words of YAML flow style."""

    path: str
    before: str
    after: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Note:
    """A field that was left as it is although it might have been changed, and why."""

    path: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Edit:
    """The new text, and what is new in it; `text` is the old one where nothing is."""

    text: str
    changes: tuple[Change, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class _Step:
    path: tuple[str, ...]
    value: Any
    why: str
    source: str


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
    steps = tuple(_steps(now, found.value, node_port_addresses))
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    edited = mark + _rewritten(text.removeprefix(mark), found.root, steps)
    _same_but(found.value, edited, steps)
    changes = tuple(
        Change(".".join(s.path), _shown(_at(found.value, s.path)), _shown(s.value), s.why, s.source)
        for s in steps
    )
    return Edit(edited, changes, tuple(_notes(now, node_port_addresses)))


def render_diff(before: str, after: str) -> str:
    """Unified diff of two texts of `config.conf`; empty where they are the same."""
    name = f"kube-proxy/{FILE}"
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (now)", f"{name} (planned)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _steps(now: ProxyConfig, value: dict[str, Any], reach: str) -> Iterator[_Step]:
    yield _Step(
        ("mode",), "nftables", "the mode to move to", "Kubernetes documentation, kube-proxy modes"
    )
    if "ipvs" in value:
        why = "nftables mode reads nothing of it"
        yield _Step(("ipvs",), _REMOVED, why, "Kubernetes 1.36 source, pkg/proxy/nftables")
    yield from (step for step, _ in _masquerade(now) if step)
    if reach == "keep-reach" and not now.node_port_addresses:
        yield _Step(
            ("nodePortAddresses",),
            list(REACH),
            "unset, nftables answers NodePorts on the primary addresses only; ipvs on all",
            "Kubernetes 1.36 source, pkg/proxy/nftables and pkg/proxy/util",
        )


def _masquerade(now: ProxyConfig) -> Iterator[tuple[_Step | None, Note | None]]:
    """Source NAT settings to carry over, or to leave as they were set by hand."""
    for field, default in (("masqueradeAll", DEFAULT_ALL), ("masqueradeBit", DEFAULT_BIT)):
        wanted, there = _set(now.iptables, field, default), _set(now.nftables, field, default)
        path = ("nftables", field)
        if there == wanted:
            continue
        if there != default:
            why = f"set by hand and kept; iptables.{field}, which ipvs uses, is {_shown(wanted)}"
            yield None, Note(".".join(path), _shown(there), why)
            continue
        why = f"ipvs takes it from iptables.{field}, nftables from here; else source NAT changes"
        source = "Kubernetes 1.36 source, pkg/proxy/apis/config/v1alpha1/conversion.go"
        yield _Step(path, wanted, why, source), None


def _set(masquerade: Masquerade, field: str, default: int) -> int:
    value = masquerade.all if field == "masqueradeAll" else masquerade.bit
    return default if value is None else value


def _notes(now: ProxyConfig, reach: str) -> Iterator[Note]:
    yield from (note for _, note in _masquerade(now) if note)
    path, addresses = "nodePortAddresses", _shown(list(now.node_port_addresses))
    if now.node_port_addresses:
        yield Note(path, addresses, "set by hand and kept")
    elif reach == "primary":
        yield Note(path, "not set", "unset means the primary addresses in nftables mode")


def _rewritten(text: str, root: Any, steps: tuple[_Step, ...]) -> str:  # noqa: ANN401 - a node
    if not isinstance(root, MappingNode) or root.flow_style:
        raise NotEditable("the whole text is in flow style ({…})", line=1)
    spans = Text(text, root)
    nested = {step.path[1]: _written(step.value) for step in steps if len(step.path) > 1}
    mode = spans.entry("mode")
    for step in (step for step in steps if len(step.path) == 1):
        entry = spans.entry(step.path[0])
        if entry is None:
            spans.add_line_after(mode, f"{step.path[0]}: {_written(step.value)}")
        elif step.value is _REMOVED:
            spans.cut(entry)
        else:
            spans.set_value(entry, _written(step.value))
    if nested:
        _carry(spans, nested)
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


def _same_but(old: dict[str, Any], edited: str, steps: tuple[_Step, ...]) -> None:
    """Make sure that the edited text says what the old one did, but for the steps."""
    wanted = copy.deepcopy(old)
    for step in steps:
        above = wanted
        for key in step.path[:-1]:
            above[key] = above.get(key) or {}
            above = above[key]
        if step.value is _REMOVED:
            del above[step.path[-1]]
        else:
            above[step.path[-1]] = step.value
    # As JSON, because to Python 1 is True and 14 is 14.0.
    if json.dumps(document(edited).value, sort_keys=True) != json.dumps(wanted, sort_keys=True):
        what = "the edit in place would have changed something else, so it was thrown away"
        raise NotEditable(what)


def _at(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - a field's value may be anything
    for key in path:
        value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
    return value


def _written(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else json.dumps(value)


def _shown(value: Any) -> str:  # noqa: ANN401
    if value is _ABSENT:
        return "not set"
    return "removed" if value is _REMOVED else _written(value)
