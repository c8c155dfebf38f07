"""Who wrote which field: `metadata.managedFields` after a write.

Simplified against the real server, which knows each type's schema: lists are followed by the merge
keys of `MERGE_KEYS`, all other lists and the maps of `_ATOMIC` count as one field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nftwave.lab.machinery.objects import Object

Fields = dict[str, Any]
"""The fieldsV1 form: `{"f:spec": {"f:replicas": {}}}`."""

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "env": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "podIPs": ("ip",),
    "ports": ("port", "protocol"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}

_ATOMIC = frozenset({"nodeSelector", "matchLabels", "selector", "resourceFieldRef"})

# Nobody owns what the server itself writes.
_SERVER_METADATA = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    }
)
_TOP_LEVEL = frozenset({"metadata", "spec", "status"})


def record_write(
    old: Object | None, new: Object, *, manager: str, subresource: str | None, time: str
) -> list[Object]:
    """The managedFields of `new`, which `manager` made out of `old` (None: created)."""
    before = old["metadata"].get("managedFields", []) if old is not None else []
    written = _written(old, new)
    gone = _written(new, old) if old is not None else {}
    lost = _minus(gone, written)
    entries, mine = [], None
    for entry in before:
        if entry["manager"] == manager and entry.get("subresource") == subresource:
            mine = entry["fieldsV1"]
            continue
        left = _minus(_minus(entry["fieldsV1"], written), lost)
        if left:
            entries.append(entry if left == entry["fieldsV1"] else {**entry, "fieldsV1": left})
    fields = _union(_minus(mine, lost) if mine is not None else {}, written)
    if fields:
        entries.append(_entry(new["apiVersion"], fields, manager, subresource, time))
    return entries


def _entry(
    api_version: str, fields: Fields, manager: str, subresource: str | None, time: str
) -> Object:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **({"subresource": subresource} if subresource else {}),
    }


def _written(old: Object | None, new: Object) -> Fields:
    """The fields that `new` has and `old` has not, or has with another value."""
    fields: Fields = {}
    for key, value in new.items():
        if key in {"kind", "apiVersion"}:
            continue
        was = old.get(key) if old is not None else None
        if key == "metadata":
            value = _users_part(value)  # noqa: PLW2901 - the server's own keys belong to nobody
            was = _users_part(was) if was is not None else None
        changed = _changed(key, was, value)
        if changed is not None and key in _TOP_LEVEL:
            # The parts that every object has are owned by nobody; what is in them is.
            changed = {label: below for label, below in changed.items() if label != "."} or None
        if changed is not None:
            fields[f"f:{key}"] = changed
    return fields


def _users_part(metadata: Object) -> Object:
    return {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}


def _changed(key: str, old: Any, new: Any) -> Fields | None:
    """Fields below `key` that differ; {} if the value itself is the field, None if nothing does."""
    if old is new or old == new:
        return None
    if isinstance(new, dict) and new and key not in _ATOMIC:
        members = [(f"f:{name}", name, value) for name, value in new.items()]
        before = old if isinstance(old, dict) else None
    elif _is_map_list(key, new):
        members = list(_members(key, new))
        before = {label: item for label, _, item in _members(key, old or [])}
        members = [(label, label, item) for label, _, item in members]
    else:
        return {}
    fields: Fields = {} if before is not None and old is not None else {".": {}}
    for label, name, value in members:
        changed = _changed(name, (before or {}).get(name), value)
        if changed is not None:
            fields[label] = changed
    return fields or None


def _is_map_list(key: str, value: Any) -> bool:
    keys = MERGE_KEYS.get(key)
    return (
        keys is not None
        and isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and keys[0] in item for item in value)
    )


def _members(key: str, items: list[Object]) -> Iterator[tuple[str, str, Object]]:
    for item in items:
        named = ",".join(
            f'"{part}":{_scalar(item[part])}' for part in MERGE_KEYS[key] if part in item
        )
        yield f"k:{{{named}}}", key, item


def _scalar(value: str | float) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _minus(fields: Fields, taken: Fields) -> Fields:
    """`fields` without the leaves of `taken`."""
    if not taken:
        return fields
    left: Fields = {}
    for key, below in fields.items():
        if key not in taken:
            left[key] = below
        elif below and taken[key]:
            rest = _minus(below, taken[key])
            if rest:
                left[key] = rest
    return left


def _union(mine: Fields, more: Fields) -> Fields:
    merged = dict(mine)
    for key, below in more.items():
        merged[key] = _union(merged[key], below) if key in merged else below
    return merged
