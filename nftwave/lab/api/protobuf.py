"""Bodies in Kubernetes' protobuf form, for the few kinds that kubectl posts in it.

kubectl 1.37 sends `auth can-i`, `create configmap` and the evictions and deletes of a drain this
way. Field numbers: Kubernetes 1.36, generated.proto of each API group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nftwave.lab.machinery.objects import Object

PROTOBUF = "application/vnd.kubernetes.protobuf"

_MAGIC = b"k8s\0"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# How a field is read: a name of _MESSAGES, or one of text, number, flag, map, texts.
Fields = dict[int, tuple[str, str]]

_MESSAGES: Mapping[str, Fields] = {
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "bytes")},
    "TypeMeta": {1: ("apiVersion", "text"), 2: ("kind", "text")},
    "ObjectMeta": {
        1: ("name", "text"),
        2: ("generateName", "text"),
        3: ("namespace", "text"),
        5: ("uid", "text"),
        6: ("resourceVersion", "text"),
        11: ("labels", "map"),
        12: ("annotations", "map"),
        14: ("finalizers", "texts"),
    },
    "ConfigMap": {1: ("metadata", "ObjectMeta"), 2: ("data", "map"), 4: ("immutable", "flag")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "number"),
        2: ("preconditions", "Preconditions"),
        3: ("orphanDependents", "flag"),
        4: ("propagationPolicy", "text"),
        5: ("dryRun", "texts"),
    },
    "Eviction": {1: ("metadata", "ObjectMeta"), 2: ("deleteOptions", "DeleteOptions")},
    "Preconditions": {1: ("uid", "text"), 2: ("resourceVersion", "text")},
    "SelfSubjectAccessReview": {
        1: ("metadata", "ObjectMeta"),
        2: ("spec", "SelfSubjectAccessReviewSpec"),
    },
    "SelfSubjectAccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"),
        2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "text"),
        2: ("verb", "text"),
        3: ("group", "text"),
        4: ("version", "text"),
        5: ("resource", "text"),
        6: ("subresource", "text"),
        7: ("name", "text"),
    },
    "NonResourceAttributes": {1: ("path", "text"), 2: ("verb", "text")},
}
_READABLE = frozenset({"ConfigMap", "DeleteOptions", "Eviction", "SelfSubjectAccessReview"})


def decode(body: bytes) -> Object:
    """The object in a protobuf body, as its JSON would say it.

    Raises:
        ApiStatus: 415 for a kind that is not read in this form, 400 for a broken body.
    """
    if not body.startswith(_MAGIC):
        raise status.bad_request("the body is no protobuf: it has no magic number")
    try:
        envelope = _message("Unknown", body[len(_MAGIC) :])
        kind = envelope["typeMeta"]["kind"]
        obj = _message(kind, envelope["raw"]) if kind in _READABLE else None
    except (ValueError, KeyError, IndexError) as error:
        raise status.bad_request(f"the body is no protobuf: {error}") from error
    if obj is None:
        raise status.unsupported_media_type(["application/json"])
    return {**envelope["typeMeta"], **obj}


def _message(name: str, body: bytes) -> Object:
    known = _MESSAGES[name]
    obj: Object = {}
    for number, value in _fields(body):
        if number in known:
            _set(obj, *known[number], value)
    return obj


def _set(obj: Object, key: str, kind: str, value: Any) -> None:
    # Go sends its empty strings too; in JSON they are left out.
    if kind == "bytes":
        obj[key] = value
    elif kind == "text":
        obj.update({key: value.decode()} if value else {})
    elif kind == "number":
        obj[key] = value
    elif kind == "flag":
        obj[key] = bool(value)
    elif kind == "texts":
        obj.setdefault(key, []).append(value.decode())
    elif kind == "map":
        entry = dict(_fields(value))
        obj.setdefault(key, {})[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
    else:
        obj[key] = _message(kind, value)


def _fields(body: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value): a number, or bytes."""
    place = 0
    while place < len(body):
        tag, place = _varint(body, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, place = _varint(body, place)
            yield number, value
            continue
        if wire == _BYTES:
            length, place = _varint(body, place)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if place + length > len(body):
            raise ValueError("it ends too early")
        yield number, body[place : place + length]
        place += length


def _varint(body: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[place]
        place += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, place
