"""Label and field selectors, as query parameters carry them.

Sources: Kubernetes 1.36, apimachinery/pkg/labels and fields; which fields can be selected on, by
kind: pkg/apis/core/v1/conversion.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

Predicate = Callable[["Object"], bool]

_EVERY_KIND = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "events": (
        "involvedObject.apiVersion",
        "involvedObject.fieldPath",
        "involvedObject.kind",
        "involvedObject.name",
        "involvedObject.namespace",
        "involvedObject.resourceVersion",
        "involvedObject.uid",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "pods": (
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
    ),
    "services": ("spec.clusterIP", "spec.type"),
}

_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_COMPARE = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_EXISTS = re.compile(r"(?P<op>!?)\s*(?P<key>[^\s!=,()]+)")
_COMMA_OUTSIDE_PARENTHESES = re.compile(r",(?![^()]*\))")


def label_selector(text: str) -> Predicate:
    """Whether an object's labels satisfy `app=x,tier in (a,b),!old`.

    Raises:
        ApiStatus: 400 if it cannot be parsed.
    """
    parts = [part.strip() for part in _COMMA_OUTSIDE_PARENTHESES.split(text) if part.strip()]
    tests = [_label_requirement(part) for part in parts]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _label_requirement(text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.fullmatch(text):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _COMPARE.fullmatch(text):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(text):
        key, wanted = match["key"], not match["op"]
        return lambda labels: (key in labels) is wanted
    raise status.bad_request(
        f"unable to parse requirement: found '{text}', expected: a requirement"
    )


def selector_of(spec: Object | None) -> Predicate:
    """Whether an object's labels satisfy a LabelSelector, as objects carry it.

    One that is empty selects all, none at all nothing (apimachinery, LabelSelectorAsSelector).
    """
    if spec is None:
        return lambda _: False
    tests = [_equals(key, value) for key, value in (spec.get("matchLabels") or {}).items()]
    tests += [_expression(one) for one in spec.get("matchExpressions") or ()]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _equals(key: str, value: str) -> Callable[[Mapping[str, str]], bool]:
    return lambda labels: labels.get(key) == value


def _expression(one: Object) -> Callable[[Mapping[str, str]], bool]:
    key, values = one["key"], one.get("values") or ()
    tests: Mapping[str, Callable[[Mapping[str, str]], bool]] = {
        "In": lambda labels: labels.get(key) in values,
        "NotIn": lambda labels: labels.get(key) not in values,
        "Exists": lambda labels: key in labels,
        "DoesNotExist": lambda labels: key not in labels,
    }
    return tests[one["operator"]]


def field_selector(resource: Resource, text: str) -> Predicate:
    """Whether an object's fields satisfy `spec.nodeName=x,status.phase!=Failed`.

    Raises:
        ApiStatus: 400 if it cannot be parsed, or names a field that this kind cannot be
            selected by.
    """
    tests = [_field_requirement(resource, part, text) for part in text.split(",") if part]
    return lambda obj: all(test(obj) for test in tests)


def _field_requirement(resource: Resource, part: str, whole: str) -> Predicate:
    match = _COMPARE.fullmatch(part.strip())
    if match is None:
        raise status.bad_request(
            f"invalid field selector: invalid selector: '{whole}'; can't understand '{part}'"
        )
    field, value, wanted = match["key"], match["value"], match["op"] != "!="
    if field not in _EVERY_KIND and field not in _FIELDS.get(resource.key, ()):
        raise status.bad_request(
            f'Unable to find "{resource.group}/{resource.version}, Resource={resource.plural}" '
            f'that match label selector "", field selector "{whole}": '
            f"field label not supported: {field}"
        )
    return lambda obj: (_field(obj, field) == value) is wanted


def _field(obj: Object, path: str) -> str:
    if path == "source":
        return str((obj.get("source") or {}).get("component") or obj.get("reportingComponent", ""))
    value: object = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "false" if path in {"spec.unschedulable", "spec.hostNetwork"} else ""
    return str(value)
