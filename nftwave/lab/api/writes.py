"""Requests that change objects: create, update, patch, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nftwave.lab.api.calls import Answer, Call, json_answer, parse_json
from nftwave.lab.machinery import status
from nftwave.lab.machinery.managedfields import record_write
from nftwave.lab.machinery.objects import Object, key_of, timestamp
from nftwave.lab.machinery.patch import patched
from nftwave.lab.printers.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.api.auth import Decision
    from nftwave.lab.machinery.resources import Resource
    from nftwave.lab.store.store import Store

# What the server starts a kind's status with, whatever the client sent. Nodes are not here: the
# kubelet sends its first status with the object.
_FIRST_STATUS: Mapping[str, Object] = {
    "daemonsets.apps": {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    },
    "deployments.apps": {},
    "namespaces": {"phase": "Active"},
    "poddisruptionbudgets.policy": {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    },
    "pods": {"phase": "Pending", "qosClass": "BestEffort"},
    "replicasets.apps": {"replicas": 0},
    "services": {"loadBalancer": {}},
}

# Kinds whose delete answers with the object; the others answer with a Status.
_ANSWERED_WITH_OBJECT = frozenset({"namespaces", "pods", "services"})


def shown(resource: Resource, code: int, obj: Object, call: Call) -> Answer:
    """An answer of one object, as rows if the client prefers them."""
    name = obj["metadata"].get("name", "")
    if call.wants_table:
        rows = table(resource, [obj], call.query.get("includeObject"))
        number = obj["metadata"].get("resourceVersion", "")
        return json_answer(code, {**rows, "metadata": {"resourceVersion": number}}, name=name)
    return json_answer(code, obj, name=name, sort_keys=resource.custom)


def create(store: Store, resource: Resource, call: Call) -> Answer:
    """POST to a collection."""
    obj = _body(resource, call)
    metadata = {**obj["metadata"]}
    if metadata.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise status.ApiStatus(500, "", message)
    for key in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "managedFields"):
        metadata.pop(key, None)
    obj = {**obj, "metadata": metadata}
    if resource.key in _FIRST_STATUS:
        obj["status"] = _FIRST_STATUS[resource.key]
    if resource.namespaced:
        _check_namespace_exists(store, call.info.namespace)
    new = store.create(resource.key, obj, manager=call.manager, dry_run=call.dry_run)
    return shown(resource, 201, new, call)


def update(store: Store, resource: Resource, call: Call) -> Answer:
    """PUT of one object or of its status."""
    obj = _body(resource, call)
    name = obj["metadata"].get("name", "")
    if name != call.info.name:
        raise status.bad_request(
            f"the name of the object ({name}) does not match the name on the URL ({call.info.name})"
        )
    missing = store.get(resource.key, call.info.namespace, name) is None
    if missing and resource.upsert:
        return _create_by_put(store, resource, call, obj)
    if not missing and not resource.unconditional and not obj["metadata"].get("resourceVersion"):
        message = "Invalid value: 0: must be specified for an update"
        cause = status.Cause("FieldValueInvalid", message, "metadata.resourceVersion")
        raise status.invalid(resource, name, [cause])
    new = store.update(
        resource.key,
        obj,
        manager=call.manager,
        subresource=call.info.subresource or None,
        dry_run=call.dry_run,
    )
    return shown(resource, 200, new, call)


def _create_by_put(store: Store, resource: Resource, call: Call, obj: Object) -> Answer:
    uid = obj["metadata"].get("uid")
    if uid:
        # The writer read an object that is gone: a new one of that name is not it.
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
        raise status.conflict(resource, call.info.name, why)
    return create(store, resource, call)


def patch(store: Store, resource: Resource, call: Call) -> Answer:
    """PATCH of one object or of its status."""
    old = store.version(resource.key, call.info.namespace, call.info.name).obj
    media_type = call.content_type.partition(";")[0].strip()
    obj = patched(resource, old, media_type, parse_json(call.body))
    if obj.get("metadata", {}).get("name") != call.info.name:
        raise status.bad_request(
            f"the name of the object ({obj.get('metadata', {}).get('name', '')}) does not match "
            f"the name on the URL ({call.info.name})"
        )
    new = store.update(
        resource.key,
        obj,
        manager=call.manager,
        subresource=call.info.subresource or None,
        dry_run=call.dry_run,
    )
    return shown(resource, 200, new, call)


def delete(store: Store, resource: Resource, call: Call) -> Answer:
    """DELETE of one object; a pod that runs on a node ends gracefully, all else at once."""
    options = call.delete_options()
    old = store.version(resource.key, call.info.namespace, call.info.name).obj
    check_preconditions(store, resource, old, options)
    gone, ending = end(store, resource, call, options)
    if ending or resource.key in _ANSWERED_WITH_OBJECT:
        return json_answer(200, gone)
    return json_answer(200, status.success(resource, call.info.name, gone["metadata"]["uid"]))


def end(store: Store, resource: Resource, call: Call, options: Object) -> tuple[Object, bool]:
    """End an object as the options want it: the object, and whether it still has to end."""
    namespace, name = call.info.namespace, call.info.name
    old = store.version(resource.key, namespace, name).obj
    grace = _grace_seconds(resource, old, call, options)
    if grace > 0:
        ending = store.terminate(
            resource.key, namespace, name, grace_seconds=grace, dry_run=call.dry_run
        )
        return ending, True
    return store.delete(resource.key, namespace, name, dry_run=call.dry_run), False


def check_preconditions(store: Store, resource: Resource, old: Object, options: Object) -> None:
    """Raise ApiStatus 409 if the object is not the one that the DeleteOptions are about."""
    preconditions = options.get("preconditions") or {}
    _check_unchanged(resource, old, preconditions.get("resourceVersion"))
    namespace, name = key_of(old)
    store.check_uid(resource.key, namespace, name, preconditions.get("uid"))


def _check_unchanged(resource: Resource, old: Object, number: str | None) -> None:
    found = old["metadata"]["resourceVersion"]
    if number and number != found:
        raise status.precondition_failed(
            resource,
            old["metadata"]["name"],
            f"the ResourceVersion in the precondition ({number}) does not match the "
            f"ResourceVersion in record ({found}). The object might have been modified",
        )


def _grace_seconds(resource: Resource, obj: Object, call: Call, options: Object) -> int:
    """How long the end of an object may take; 0 for all that nobody has to stop first."""
    unbound = not obj.get("spec", {}).get("nodeName")
    ended = obj.get("status", {}).get("phase") in {"Failed", "Succeeded"}
    if resource.key != "pods" or unbound or ended:
        return 0
    asked = options.get("gracePeriodSeconds")
    if asked is None:
        asked = call.number("gracePeriodSeconds")
    return int(asked if asked is not None else obj["spec"].get("terminationGracePeriodSeconds", 30))


def review_access(resource: Resource, call: Call, decision: Decision, spec: Object) -> Answer:
    """The answer to a SelfSubjectAccessReview."""
    review = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {},
        "spec": spec,
        "status": {
            "allowed": decision.allowed,
            **({"reason": decision.reason} if decision.reason else {}),
        },
    }
    written = {key: value for key, value in review.items() if key != "status"}
    fields = record_write(None, written, manager=call.manager, subresource=None, time=timestamp())
    review["metadata"] = {"managedFields": fields}
    return json_answer(201, review)


def _body(resource: Resource, call: Call) -> Object:
    """The object in the body, with the namespace of the path."""
    obj: Any = call.json()
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
        raise status.bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: json: cannot unmarshal into Go value of type {resource.kind}"
        )
    for key, expected in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if obj.get(key, expected) != expected:
            what = "API version" if key == "apiVersion" else "kind"
            raise status.bad_request(
                f"the {what} in the data ({obj[key]}) does not match the expected {what} "
                f"({expected})"
            )
    metadata = dict(obj.get("metadata", {}))
    if resource.namespaced:
        if metadata.get("namespace") not in {None, "", call.info.namespace}:
            raise status.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        metadata["namespace"] = call.info.namespace
    return {**obj, "metadata": metadata}


def _check_namespace_exists(store: Store, namespace: str) -> None:
    if store.get("namespaces", None, namespace) is None:
        raise status.not_found(store.resources["namespaces"], namespace)
