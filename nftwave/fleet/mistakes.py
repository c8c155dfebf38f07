"""Mistakes in a fleet file: each one line with its place, what was found and what is allowed.

pydantic finds most of them; its English stays here, because it speaks of inputs and types where a
person wants to know what to write instead.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from nftwave.fleet.fields import allowed, fields
from nftwave.fleet.judging import policy_mistakes
from nftwave.fleet.source import BadFleet, Source

if TYPE_CHECKING:
    from nftwave.yamlnodes import Place

M = TypeVar("M", bound=BaseModel)


def validated(model: type[M], value: object, source: Source, context: Mapping[str, Any]) -> M:
    """The model of a file's value.

    Raises:
        BadFleet: with every mistake, in file order.
    """
    mistakes = [*_across(value), *policy_mistakes(value)]
    result = None
    try:
        result = model.model_validate(value, context=dict(context))
    except ValidationError as error:
        mistakes += _translated(error, value)
    if result is None or mistakes:
        raise BadFleet(source.in_file_order(mistakes))
    return result


def access_mistake(cluster: Mapping[str, Any]) -> tuple[str, str] | None:
    """The field and the mistake where a cluster has not exactly one way to its API."""
    kubeconfig, context = cluster.get("kubeconfig"), cluster.get("context")
    inside = cluster.get("in_cluster") not in (None, False)
    if inside and (kubeconfig is not None or context is not None):
        other = "kubeconfig" if kubeconfig is not None else "context"
        return "in_cluster", f"found in_cluster together with {other}, allowed: one of them"
    if not inside and kubeconfig is None:
        lone = "context without kubeconfig" if context else "neither kubeconfig nor in_cluster"
        return "", f"found {lone}, allowed: kubeconfig and context, or in_cluster: true"
    if not inside and context is None:
        return "context", "found nothing, allowed: a context of the kubeconfig; none is guessed"
    return None


def shown(value: object) -> str:
    """A value as it can stand in one line; lists and mappings only by kind."""
    if value is None:
        return "nothing"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else f"{value[:57]}…", ensure_ascii=False)
    return "true" if value is True else "false" if value is False else str(value)


def _across(value: object) -> Iterator[tuple[Place, str]]:
    """Mistakes between fields: names used twice, not exactly one way to the API."""
    listed = value.get("clusters") if isinstance(value, Mapping) else None
    first: dict[str, int] = {}
    for index, cluster in enumerate(listed if isinstance(listed, list) else ()):
        if not isinstance(cluster, Mapping):
            continue
        access = access_mistake(cluster)
        if access:
            yield ("clusters", index, *filter(None, access[:1])), access[1]
        name = cluster.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            again = f"found {shown(name)} again, first as clusters[{first[name]}]"
            yield ("clusters", index, "name"), f"{again}, allowed: each name once"


def _translated(error: ValidationError, value: object) -> Iterator[tuple[Place, str]]:
    for detail in error.errors(include_url=False, include_context=False):
        place, kind = detail["loc"], detail["type"]
        found = None if kind == "missing" else _at(value, place)
        # `_across` has told of the access; pydantic calls a list of wrong items too short.
        if kind == "access" or (kind == "too_short" and found):
            continue
        if kind == "extra_forbidden":
            yield place, _unknown_field(str(place[-1]), fields(place[:-1]))
        else:
            yield place, f"found {shown(found)}, allowed: {allowed(place)}"


def _unknown_field(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"found an unknown field, allowed: {', '.join(known)}{hint}"


def _at(value: Any, place: Place) -> Any:
    for part in place:
        value = value[part]
    return value
