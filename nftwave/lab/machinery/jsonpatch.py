"""JSON patch (RFC 6902)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery.status import ApiStatus

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object


class _DoesNotApplyError(Exception):
    """An operation names a place that is not there, or a test failed."""


def json_patch(target: Object, operations: list[Object]) -> Object:
    """`target` with all operations applied.

    Raises:
        ApiStatus: 422 if one of them cannot be applied, as the real server words it.
    """
    document: Any = copy.deepcopy(target)
    try:
        for operation in operations:
            document = _apply(document, operation)
    except (_DoesNotApplyError, KeyError, IndexError, ValueError, TypeError) as error:
        raise ApiStatus(
            422, "Invalid", "the server rejected our request due to an error in our request"
        ) from error
    if not isinstance(document, dict):
        raise ApiStatus(
            422, "Invalid", "the server rejected our request due to an error in our request"
        )
    return document


def _apply(document: Any, operation: Object) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "add":
        return _add(document, path, operation["value"])
    if kind == "replace":
        return _add(_remove(document, path), path, operation["value"])
    if kind == "remove":
        return _remove(document, path)
    if kind == "test":
        if _get(document, path) != operation["value"]:
            raise _DoesNotApplyError
        return document
    source = _pointer(operation["from"])
    value = copy.deepcopy(_get(document, source))
    if kind == "move":
        document = _remove(document, source)
    elif kind != "copy":
        raise _DoesNotApplyError
    return _add(document, path, value)


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise _DoesNotApplyError
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        place = len(parent) if last == "-" else int(last)
        if not 0 <= place <= len(parent):
            raise _DoesNotApplyError
        parent.insert(place, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent, last = _get(document, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]
    return document
