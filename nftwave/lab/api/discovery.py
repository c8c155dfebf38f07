"""What the server serves: the discovery documents, one by one and aggregated, and the version."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from nftwave.lab.api.calls import JSON, Answer, Call, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

_AGGREGATED = "APIGroupDiscoveryList"
_SUBRESOURCE_VERBS = {
    "eviction": ["create"],
    "exec": ["create", "get"],
    "log": ["get"],
    "proxy": ["get"],
    "status": ["get", "patch", "update"],
}
_SUBRESOURCE_KINDS = {
    "eviction": "Eviction",
    "exec": "PodExecOptions",
    "proxy": "NodeProxyOptions",
    "log": "Pod",
}
# Subresources whose objects are of another group than their resource: its name and version.
# `kubectl drain` looks here whether pods can be evicted.
_SUBRESOURCE_GROUPS = {"eviction": ("policy", "v1")}


def version(git_version: str) -> Object:
    """The answer to /version (recorded, but for the git version)."""
    major, minor = git_version.lstrip("v").split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": git_version,
        "gitCommit": "0000000",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.27.3",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def discover(resources: Iterable[Resource], call: Call, address: str) -> Answer | None:
    """The discovery document at the request's path, None if there is none.

    Args:
        resources: all that is served.
        call: the request.
        address: host and port of this server, for clients that ask /api where to go.
    """
    served = sorted(resources, key=lambda resource: (resource.group, resource.version))
    match call.info.path.strip("/").split("/"):
        case ["api"]:
            core = [resource for resource in served if not resource.group]
            return _root(core, call, _core_versions(address))
        case ["apis"]:
            grouped = [resource for resource in served if resource.group]
            return _root(grouped, call, _groups(grouped))
        case ["api", wanted]:
            return _resource_list([r for r in served if not r.group and r.version == wanted])
        case ["apis", group]:
            return _group([resource for resource in served if resource.group == group])
        case ["apis", group, wanted]:
            return _resource_list([r for r in served if (r.group, r.version) == (group, wanted)])
    return None


def _root(served: Sequence[Resource], call: Call, plain: Object) -> Answer:
    if call.preferred((_AGGREGATED,)) == _AGGREGATED:
        return _aggregated(served)
    return json_answer(200, plain)


def _group(members: Sequence[Resource]) -> Answer | None:
    if not members:
        return None
    (group,) = _groups(members)["groups"]
    return json_answer(200, {"kind": "APIGroup", "apiVersion": "v1", **group})


def _core_versions(address: str) -> Object:
    clients = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": clients}


def _groups(served: Sequence[Resource]) -> Object:
    groups = []
    for group, members in groupby(served, key=lambda resource: resource.group):
        versions = [
            {"groupVersion": f"{group}/{name}", "version": name}
            for name, _ in groupby(members, key=lambda resource: resource.version)
        ]
        groups.append({"name": group, "versions": versions, "preferredVersion": versions[0]})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _resource_list(members: Sequence[Resource]) -> Answer | None:
    if not members:
        return None
    rows = [row for resource in members for row in _rows(resource)]
    head = {"kind": "APIResourceList", "apiVersion": "v1"}
    return json_answer(200, {**head, "groupVersion": members[0].api_version, "resources": rows})


def _rows(resource: Resource) -> Iterable[Object]:
    singular = resource.singular or resource.kind.lower()
    yield {
        "name": resource.plural,
        "singularName": singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
        **({"categories": list(resource.categories)} if resource.categories else {}),
    }
    for subresource in resource.subresources:
        yield {
            "name": f"{resource.plural}/{subresource}",
            "singularName": "",
            "namespaced": resource.namespaced,
            **_group_of(subresource),
            "kind": _SUBRESOURCE_KINDS.get(subresource, resource.kind),
            "verbs": _SUBRESOURCE_VERBS[subresource],
        }


def _group_of(subresource: str) -> Object:
    group, version = _SUBRESOURCE_GROUPS.get(subresource, ("", ""))
    return {"group": group, "version": version} if group else {}


def _aggregated(served: Sequence[Resource]) -> Answer:
    items = []
    for group, members in groupby(served, key=lambda resource: resource.group):
        versions = [
            {
                "version": name,
                "resources": [_aggregated_row(resource) for resource in same],
                "freshness": "Current",
            }
            for name, same in groupby(members, key=lambda resource: resource.version)
        ]
        metadata = {"name": group, "creationTimestamp": None} if group else {}
        items.append({"metadata": metadata, "versions": versions})
    document = {
        "kind": _AGGREGATED,
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
    plain = json_answer(200, document)
    return Answer(200, plain.body, f"{JSON};g=apidiscovery.k8s.io;v=v2;as={_AGGREGATED}")


def _aggregated_row(resource: Resource) -> Object:
    def kind(name: str) -> Object:
        return {"group": resource.group, "version": resource.version, "kind": name}

    def kind_below(name: str) -> Object:
        return {**kind(_SUBRESOURCE_KINDS.get(name, resource.kind)), **_group_of(name)}

    return {
        "resource": resource.plural,
        "responseKind": kind(resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular or resource.kind.lower(),
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
        **({"categories": list(resource.categories)} if resource.categories else {}),
        "subresources": [
            {
                "subresource": subresource,
                "responseKind": kind_below(subresource),
                "verbs": _SUBRESOURCE_VERBS[subresource],
            }
            for subresource in resource.subresources
        ],
    }
