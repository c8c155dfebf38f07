"""JSON merge patch (RFC 7386) and strategic merge patch.

Source of the strategic rules: Kubernetes 1.36, apimachinery/pkg/util/strategicpatch; of the merge
keys: the patchMergeKey tags in staging/src/k8s.io/api.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.machinery.objects import Object

# Lists that are merged item by item; all others are replaced whole.
_MERGE_KEYS: Mapping[str, str] = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_SCALAR_SETS = frozenset({"finalizers"})


def json_merge(target: Any, patch: Any) -> Any:
    """`target` as the merge patch wants it; null deletes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = json_merge(merged.get(key), value)
    return merged


def strategic_merge(target: Object, patch: Object) -> Object:
    """`target` as the strategic merge patch wants it.

    Lists with a merge key are merged by it; `$patch: delete | replace`, `$retainKeys`,
    `$setElementOrder/…` and `$deleteFromPrimitiveList/…` are understood.

    Raises:
        ApiStatus: 400 for a directive or list item that makes no sense.
    """
    directive = patch.get("$patch", "merge")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    if directive != "merge":
        raise status.bad_request(f"Unknown patch type found: {directive}")
    merged = dict(target)
    if "$retainKeys" in patch:
        merged = {key: value for key, value in merged.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(merged, key, value)
    _shape_lists(merged, patch)
    return merged


def _shape_lists(merged: Object, patch: Object) -> None:
    for directive, items in patch.items():
        kind, _, name = directive.partition("/")
        if kind == "$deleteFromPrimitiveList":
            merged[name] = [item for item in merged.get(name, []) if item not in items]
        elif kind == "$setElementOrder" and isinstance(merged.get(name), list):
            merged[name] = _in_order(name, merged[name], items)


def _merge_field(merged: Object, key: str, value: Any) -> None:
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, dict):
        before = merged.get(key)
        merged[key] = strategic_merge(before if isinstance(before, dict) else {}, value)
        if value.get("$patch") == "delete":
            del merged[key]
    elif isinstance(value, list) and _merge_key(key, value) is not None:
        merged[key] = _merge_list(key, merged.get(key) or [], value)
    elif isinstance(value, list) and key in _SCALAR_SETS:
        before = merged.get(key) or []
        merged[key] = [*before, *(item for item in value if item not in before)]
    else:
        merged[key] = value


def _merge_key(field: str, items: list[Any]) -> str | None:
    if not all(isinstance(item, dict) for item in items):
        return None
    if field == "ports":
        # Containers' ports merge by containerPort, a Service's by port.
        inner = any("containerPort" in item for item in items)
        return "containerPort" if inner else "port"
    return _MERGE_KEYS.get(field)


def _merge_list(field: str, before: list[Object], patch: list[Object]) -> list[Object]:
    merge_key = _merge_key(field, patch) or ""
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    merged = list(before)
    for item in patch:
        if merge_key not in item:
            shown = f"map: {item} does not contain declared merge key: {merge_key}"
            raise status.bad_request(shown)
        place = next(
            (i for i, there in enumerate(merged) if there.get(merge_key) == item[merge_key]), None
        )
        if item.get("$patch") == "delete":
            merged = [there for there in merged if there.get(merge_key) != item[merge_key]]
        elif place is None:
            merged.append(strategic_merge({}, item))
        else:
            merged[place] = strategic_merge(merged[place], item)
    return merged


def _in_order(field: str, items: list[Any], order: list[Any]) -> list[Any]:
    key = _merge_key(field, order)
    ranks = {(item[key] if key else item): rank for rank, item in enumerate(order)}
    # Items that the order does not name stay behind those it does, in their own order.
    return sorted(items, key=lambda item: ranks.get(item.get(key) if key else item, len(ranks)))
