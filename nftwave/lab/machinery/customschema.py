"""The schema of a custom resource, as far as it shows: defaults and enumerations.

Wording: measured, kube-apiserver 1.36.2 with the tigera operator's CustomResourceDefinitions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery import status
from nftwave.lab.machinery.status import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

# The server adds this cause when a schema has validation rules (CEL) that it then skips.
_RULES_SKIPPED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)


@dataclass(frozen=True, slots=True)
class CustomSchema:
    """A rule for `Resource.rule`.

    Attributes:
        defaults: values by dotted path, filled in where the parent is there.
        enums: allowed values by dotted path.
        has_validation_rules: whether the schema has CEL rules too.
    """

    defaults: Mapping[str, Any]
    enums: Mapping[str, tuple[str, ...]]
    has_validation_rules: bool = False

    def __call__(self, resource: Resource, _old: Object | None, new: Object) -> Object:
        """The object with defaults; ApiStatus 422 if a value is not among the allowed ones."""
        for path, value in self.defaults.items():
            new = _with_default(new, path.split("."), value)
        causes = [
            Cause("FieldValueNotSupported", _unsupported(found, allowed), path)
            for path, allowed in self.enums.items()
            if (found := _at(new, path)) is not None and found not in allowed
        ]
        if causes:
            skipped = [_RULES_SKIPPED] if self.has_validation_rules else []
            raise status.invalid(resource, new["metadata"]["name"], [*causes, *skipped])
        return new


def _unsupported(found: object, allowed: tuple[str, ...]) -> str:
    shown = ", ".join(f'"{value}"' for value in allowed)
    return f'Unsupported value: "{found}": supported values: {shown}'


def _at(obj: object, path: str) -> object:
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _with_default(obj: Object, path: list[str], value: object) -> Object:
    first, rest = path[0], path[1:]
    if not rest:
        return obj if first in obj else {**obj, first: value}
    below = obj.get(first)
    return {**obj, first: _with_default(below, rest, value)} if isinstance(below, dict) else obj
