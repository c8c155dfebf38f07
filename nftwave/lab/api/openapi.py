"""OpenAPI v3, as far as kubectl asks it: which query parameters writing a kind takes.

kubectl looks up `dryRun` and `fieldValidation` before it sends them; schemas are not served.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nftwave.lab.api.calls import Answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")


def openapi(resources: Iterable[Resource], path: str) -> Answer | None:
    """The index at /openapi/v3 or the document of one group and version; None if there is none."""
    served = list(resources)
    if path == "/openapi/v3":
        places = sorted({_place(resource) for resource in served})
        return json_answer(200, {"paths": {place: _link(place) for place in places}})
    place = path.removeprefix("/openapi/v3/")
    members = [resource for resource in served if _place(resource) == place]
    if not members:
        return None
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": {_item_path(resource): _operations(resource) for resource in members},
    }
    return json_answer(200, document)


def _place(resource: Resource) -> str:
    return f"apis/{resource.api_version}" if resource.group else f"api/{resource.version}"


def _link(place: str) -> Object:
    digest = hashlib.sha256(place.encode()).hexdigest().upper()
    return {"serverRelativeURL": f"/openapi/v3/{place}?hash={digest}"}


def _item_path(resource: Resource) -> str:
    namespaced = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"/{_place(resource)}/{namespaced}{resource.plural}/{{name}}"


def _operations(resource: Resource) -> Object:
    named = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
        for name in _PARAMETERS
    ]
    operation = {
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": named,
    }
    verbs = {"patch": "patch", "put": "update"}
    return {
        method: {**operation, "x-kubernetes-action": action}
        for method, action in verbs.items()
        if action in resource.verbs
    }
