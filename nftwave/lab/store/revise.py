"""What a write makes of an object: names, times, generation, owners of fields, defaults.

Pure functions; the store keeps what they return.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from nftwave.lab.machinery import status
from nftwave.lab.machinery.managedfields import record_write
from nftwave.lab.machinery.objects import Object, name_suffix, ordered_metadata, timestamp
from nftwave.lab.store import admission

if TYPE_CHECKING:
    from nftwave.lab.machinery.resources import Resource

# What the server writes, whatever an update says.
_KEPT_METADATA = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)


def with_kind(resource: Resource, obj: Object) -> Object:
    """The object with kind and apiVersion first: `Version.item_json` relies on it."""
    rest = {key: value for key, value in obj.items() if key not in {"kind", "apiVersion"}}
    head = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": ordered_metadata(rest.pop("metadata")),
    }
    return {**head, **rest}


def created(kind: Resource, obj: Object, manager: str) -> Object:
    """A new object, still without resourceVersion; ApiStatus 422 or 400 as `admission`."""
    metadata = dict(obj["metadata"])
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + name_suffix()
    metadata.setdefault("uid", str(uuid.uuid4()))
    metadata.setdefault("creationTimestamp", timestamp())
    metadata.pop("resourceVersion", None)
    if kind.generation:
        metadata["generation"] = 1
    new = admission.admit_create(kind, with_kind(kind, {**obj, "metadata": metadata}))
    # The first status is the server's own, where a status is written by itself later.
    hidden = {"status"} if "status" in kind.subresources else set()
    owned = {key: value for key, value in new.items() if key not in hidden}
    return _with_owners(new, _owners(None, owned, manager, None))


def updated(
    kind: Resource, old: Object, given: Object, manager: str, subresource: str | None
) -> Object:
    """What an update makes of `old`; equal to it if nothing changes.

    Raises:
        ApiStatus: 409 if `given` is about another object or version, 422 or 400 as `admission`.
    """
    _check_same(kind, old, given["metadata"])
    wanted = _successor(kind, old, given, subresource)
    new = admission.admit_update(kind, old, wanted)
    if new == old:
        return old
    if subresource == "binding":
        return new
    if kind.generation and new.get("spec") != old.get("spec"):
        generation = old["metadata"].get("generation", 1) + 1
        new = {**new, "metadata": {**new["metadata"], "generation": generation}}
    # What admission adds is nobody's doing (recorded: a restart by kubectl does not own the
    # template generation).
    return _with_owners(new, _owners(old, wanted, manager, subresource))


def ending(kind: Resource, old: Object, grace_seconds: int) -> Object:
    """The object with its end announced; equal to `old` if that is announced for no later."""
    metadata = old["metadata"]
    if metadata.get("deletionGracePeriodSeconds", grace_seconds + 1) <= grace_seconds:
        return old
    end = datetime.now(UTC) + timedelta(seconds=grace_seconds)
    marked = {
        **metadata,
        "deletionTimestamp": timestamp(end),
        "deletionGracePeriodSeconds": grace_seconds,
    }
    if kind.generation and "deletionTimestamp" not in metadata:
        marked["generation"] = metadata.get("generation", 1) + 1
    return {**old, "metadata": ordered_metadata(marked)}


def _check_same(kind: Resource, old: Object, given: Object) -> None:
    uid, found = given.get("uid"), old["metadata"]["uid"]
    if uid and uid != found:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
        raise status.conflict(kind, old["metadata"]["name"], why)
    if given.get("resourceVersion", "") not in {"", old["metadata"]["resourceVersion"]}:
        raise status.conflict(kind, old["metadata"]["name"])


def _successor(kind: Resource, old: Object, given: Object, subresource: str | None) -> Object:
    """`given` where the writer may write, `old` elsewhere."""
    if subresource == "binding":
        return {**old, "spec": given["spec"], "status": given["status"]}
    if subresource == "status":
        return {**old, **({"status": given["status"]} if "status" in given else {})}
    users = {key: value for key, value in given["metadata"].items() if key not in _KEPT_METADATA}
    kept = {key: old["metadata"][key] for key in _KEPT_METADATA if key in old["metadata"]}
    new = {**given, "metadata": {**users, **kept}}
    if "status" in kind.subresources:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    return with_kind(kind, new)


def _owners(old: Object | None, new: Object, manager: str, subresource: str | None) -> list[Object]:
    return record_write(old, new, manager=manager, subresource=subresource, time=timestamp())


def _with_owners(obj: Object, owners: list[Object]) -> Object:
    return {**obj, "metadata": ordered_metadata({**obj["metadata"], "managedFields": owners})}
