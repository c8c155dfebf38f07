"""What every Kubernetes object has: metadata in the server's order, times, generated names."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
"""One object of the API, as its JSON says it. Frozen by convention once it is in the store."""

_METADATA_ORDER = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)

# Without vowels and look-alikes, as the API server draws them (Kubernetes 1.36 source, util/rand).
_SUFFIX_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def timestamp(moment: datetime | None = None) -> str:
    """A metav1.Time: UTC, whole seconds; now if no moment is given."""
    return (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """The moment that a metav1.Time or MicroTime names; ValueError if it names none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def name_suffix(length: int = 5) -> str:
    """The random end that the API server appends to `metadata.generateName`."""
    return "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(length))


def ordered_metadata(metadata: Object) -> Object:
    """The same metadata with its keys in the order in which the real server writes them."""
    return {key: metadata[key] for key in _METADATA_ORDER if key in metadata}


def key_of(obj: Object) -> tuple[str, str]:
    """(namespace, name); the namespace of a cluster-wide object is empty."""
    metadata = obj["metadata"]
    return metadata.get("namespace") or "", metadata["name"]
