"""Which patch a request carries, and what it makes of the object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery import status
from nftwave.lab.machinery.jsonpatch import json_patch
from nftwave.lab.machinery.merge import json_merge, strategic_merge

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"


def patched(resource: Resource, obj: Object, media_type: str, patch: Any) -> Object:
    """The object as the patch (any JSON value) wants it.

    Server-side apply is not spoken here: it is answered as any unknown format is.

    Raises:
        ApiStatus: 415 for a format that this resource does not take, 400 or 422 for a patch that
            cannot be applied.
    """
    accepted = [JSON_PATCH, MERGE_PATCH]
    if not resource.custom:
        accepted.append(STRATEGIC_MERGE_PATCH)
    if media_type not in accepted:
        raise status.unsupported_media_type(accepted)
    if media_type == JSON_PATCH:
        if not isinstance(patch, list):
            raise _undecodable("[]handlers.jsonPatchOp", patch)
        return json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise _undecodable("map[string]interface {}", patch)
    return (
        strategic_merge(obj, patch) if media_type == STRATEGIC_MERGE_PATCH else _merged(obj, patch)
    )


def _merged(obj: Object, patch: Object) -> Object:
    merged = json_merge(obj, patch)
    if not isinstance(merged, dict):  # pragma: no cover - a dict patch makes a dict
        raise _undecodable("map[string]interface {}", patch)
    return merged


def _undecodable(wanted: str, patch: object) -> status.ApiStatus:
    go = {list: "array", dict: "object", str: "string", bool: "bool"}.get(type(patch), "number")
    return status.bad_request(
        f"error decoding patch: json: cannot unmarshal {go} into Go value of type {wanted}"
    )
