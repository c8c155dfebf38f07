"""What the server fills in and refuses when an object is written, kind by kind.

Wording: measured against kube-apiserver 1.36.2 where `tests/recordings/api` has the case, else
Kubernetes 1.36 source (pkg/apis/*/validation, pkg/registry/*/strategy.go).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import Object, ordered_metadata
from nftwave.lab.machinery.status import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.machinery.resources import Resource, Rule

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_CONFIGMAP_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_CONFIGMAP_LIMIT = 1024 * 1024
_TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def admit_create(resource: Resource, obj: Object) -> Object:
    """The object to store, defaults filled in; ApiStatus 422 or 400 if it breaks a rule."""
    _check_name(resource, obj)
    _check_required(resource, obj)
    rule = resource.rule or _RULES.get(resource.key)
    return rule(resource, None, obj) if rule else obj


def admit_update(resource: Resource, old: Object, new: Object) -> Object:
    """As `admit_create`, for an object that replaces `old`."""
    _check_required(resource, new)
    rule = resource.rule or _RULES.get(resource.key)
    return rule(resource, old, new) if rule else new


def _check_name(resource: Resource, obj: Object) -> None:
    name = obj["metadata"].get("name", "")
    if not name:
        message = "Required value: name or generateName is required"
        causes = [Cause("FieldValueRequired", message, "metadata.name")]
    elif not _NAME.fullmatch(name):
        message = (
            f'Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case '
            "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric "
            "character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
        causes = [Cause("FieldValueInvalid", message, "metadata.name")]
    else:
        return
    raise status.invalid(resource, name, causes)


# What an object is nothing without, by kind.
_REQUIRED: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "daemonsets.apps": (("spec", "selector"), ("spec", "template", "spec", "containers")),
    "deployments.apps": (("spec", "selector"), ("spec", "template", "spec", "containers")),
    "events": (("involvedObject",),),
    "pods": (("spec", "containers"),),
    "replicasets.apps": (("spec", "selector"), ("spec", "template", "spec", "containers")),
    "services": (("spec", "ports"),),
}


def _required(resource: Resource, obj: Object) -> tuple[tuple[str, ...], ...]:
    spec = obj.get("spec") or {}
    # Kubernetes source, ValidateService: headless and external ones may do without ports.
    if resource.key == "services" and (
        spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None"
    ):
        return ()
    return _REQUIRED.get(resource.key, ())


def _check_required(resource: Resource, obj: Object) -> None:
    missing = [path for path in _required(resource, obj) if not _has(obj, path)]
    if missing:
        causes = [Cause("FieldValueRequired", "Required value", ".".join(path)) for path in missing]
        raise status.invalid(resource, obj["metadata"]["name"], causes)


def _has(obj: Object, path: tuple[str, ...]) -> bool:
    value: object = obj
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return bool(value)


_GO_TYPES = {bool: "bool", int: "number", float: "number", list: "array", dict: "object"}


def _config_map(resource: Resource, _old: Object | None, new: Object) -> Object:
    size = 0
    for key, value in (new.get("data") or {}).items():
        if not isinstance(value, str):
            go = _GO_TYPES.get(type(value), "value")
            raise status.bad_request(
                'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot '
                f"unmarshal {go} into Go struct field ConfigMap.data of type string"
            )
        if not _CONFIGMAP_KEY.fullmatch(key):
            message = (
                f'Invalid value: "{key}": a valid config key must consist of alphanumeric '
                "characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
                "regex used for validation is '[-._a-zA-Z0-9]+')"
            )
            cause = Cause("FieldValueInvalid", message, f"data[{key}]")
            raise status.invalid(resource, new["metadata"]["name"], [cause])
        size += len(value.encode())
    if size > _CONFIGMAP_LIMIT:
        message = f"Too long: may not be more than {_CONFIGMAP_LIMIT} bytes"
        cause = Cause("FieldValueTooLong", message, "[]")
        raise status.invalid(resource, new["metadata"]["name"], [cause])
    return new


def _daemon_set(resource: Resource, old: Object | None, new: Object) -> Object:
    strategy = _update_strategy(resource, new)
    new = {**new, "spec": {**new["spec"], "updateStrategy": strategy}}
    new["spec"].setdefault("revisionHistoryLimit", 10)
    if old is not None and old["spec"]["selector"] != new["spec"]["selector"]:
        shown = json.dumps(new["spec"]["selector"], separators=(",", ":"))
        message = f"Invalid value: {shown}: field is immutable"
        cause = Cause("FieldValueInvalid", message, "spec.selector")
        raise status.invalid(resource, new["metadata"]["name"], [cause])
    return _with_template_generation(old, _without_empty_maps(new))


def _without_empty_maps(new: Object) -> Object:
    """No labels or annotations in the pods' template where there are none (omitempty)."""
    template = dict(new["spec"]["template"])
    if "metadata" in template:
        kept = {key: found for key, found in template["metadata"].items() if found != {}}
        template["metadata"] = kept
    return {**new, "spec": {**new["spec"], "template": template}}


def _update_strategy(resource: Resource, new: Object) -> Object:
    given = new["spec"].get("updateStrategy") or {}
    kind = given.get("type") or "RollingUpdate"
    if kind == "OnDelete":
        return {"type": kind}
    rolling = {"maxUnavailable": 1, "maxSurge": 0, **(given.get("rollingUpdate") or {})}
    if kind == "RollingUpdate":
        return {"type": kind, "rollingUpdate": rolling}
    # The real server shows its internal Go struct here (recorded).
    shown = json.dumps(
        {
            "Type": kind,
            "RollingUpdate": {
                "MaxUnavailable": rolling["maxUnavailable"],
                "MaxSurge": rolling["maxSurge"],
            },
        },
        separators=(",", ":"),
    )
    message = f'Unsupported value: {shown}: supported values: "RollingUpdate", "OnDelete"'
    cause = Cause("FieldValueNotSupported", message, "spec.updateStrategy")
    raise status.invalid(resource, new["metadata"]["name"], [cause])


def _with_template_generation(old: Object | None, new: Object) -> Object:
    """Count changes of the pod template in the annotation in which the real server counts them."""
    count = 1
    if old is not None:
        before = old["metadata"].get("annotations", {}).get(_TEMPLATE_GENERATION, "1")
        count = int(before) + (old["spec"]["template"] != new["spec"]["template"])
    annotations = {**new["metadata"].get("annotations", {}), _TEMPLATE_GENERATION: str(count)}
    metadata = {**new["metadata"], "annotations": annotations}
    return {**new, "metadata": ordered_metadata(metadata)}


def _workload(_resource: Resource, _old: Object | None, new: Object) -> Object:
    return {**new, "spec": {"replicas": 1, **new["spec"]}}


def _node(_resource: Resource, _old: Object | None, new: Object) -> Object:
    """What Go's JSON leaves out: a node that is schedulable says nothing of it."""
    spec = new.get("spec") or {}
    said = {key: value for key, value in spec.items() if value or key not in _OMITTED_OF_NODES}
    return new if said == spec else {**new, "spec": said}


def _budget(resource: Resource, _old: Object | None, new: Object) -> Object:
    spec = new.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        message = "Invalid value: minAvailable and maxUnavailable cannot be both set"
        cause = Cause("FieldValueInvalid", message, "spec")
        raise status.invalid(resource, new["metadata"]["name"], [cause])
    return new


_OMITTED_OF_NODES = frozenset({"taints", "unschedulable"})
_RULES: Mapping[str, Rule] = {
    "configmaps": _config_map,
    "daemonsets.apps": _daemon_set,
    "deployments.apps": _workload,
    "nodes": _node,
    "poddisruptionbudgets.policy": _budget,
    "replicasets.apps": _workload,
}
