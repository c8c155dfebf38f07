"""Which handler answers a request, once it is known who asks and that they may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nftwave.lab.api import writes
from nftwave.lab.api.auth import review, review_path
from nftwave.lab.api.calls import Answer, Call, Exec, Stream, json_answer
from nftwave.lab.api.discovery import discover, version
from nftwave.lab.api.evictions import evict
from nftwave.lab.api.listing import list_objects
from nftwave.lab.api.openapi import openapi
from nftwave.lab.api.podexec import pod_exec
from nftwave.lab.api.podlogs import pod_log
from nftwave.lab.api.watch import open_watch
from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from nftwave.lab.api.backend import Backend
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource
    from nftwave.lab.store.store import Store

_TEXT = "text/plain; charset=utf-8"
_HEALTH = ("/healthz", "/livez", "/readyz")
_WRITES = {
    "create": writes.create,
    "update": writes.update,
    "patch": writes.patch,
    "delete": writes.delete,
}
_ITEM_VERBS = {"get", "update", "patch", "delete"}
_COLLECTION_VERBS = {"list", "watch", "create"}


class Handlers:
    """Answers the calls of one cluster.

    Attributes:
        version: what /version says.
    """

    def __init__(self, store: Store, backend: Backend, *, version: str) -> None:
        self._store = store
        self._backend = backend
        self.version = version

    async def answer(self, call: Call, address: str) -> Answer | Stream | Exec:
        """The answer to an allowed request; `address` is this server's host and port.

        Raises:
            ApiStatus: for every refusal.
        """
        if call.info.plural is None:
            return self._path(call, address)
        resource = self._resource(call)
        if resource is None:
            return Answer(404, b"404 page not found\n", _TEXT)
        if call.info.subresource:
            return await self._subresource(resource, call)
        return self._object(resource, call)

    def _path(self, call: Call, address: str) -> Answer:
        path = call.info.path
        found: Answer | None = None
        if path.startswith(_HEALTH):
            found = Answer(200, b"ok", _TEXT)
        elif path.rstrip("/") == "/version":
            found = json_answer(200, version(self.version))
        elif path.startswith("/openapi/v3"):
            found = openapi(self._store.resources.values(), path)
        elif path.startswith("/api"):
            found = discover(self._store.resources.values(), call, address)
        return found or Answer(404, b"404 page not found\n", _TEXT)

    def _resource(self, call: Call) -> Resource | None:
        """None if nothing of that group and version is served."""
        info = call.info
        resource = self._store.resources.get(info.store_key)
        if resource is not None and resource.version == info.version:
            return resource
        served = {(known.group, known.version) for known in self._store.resources.values()}
        if (info.group, info.version) in served:
            raise _unknown()
        return None

    def _object(self, resource: Resource, call: Call) -> Answer | Stream:
        if not resource.namespaced and call.info.namespace:
            # A Namespace's own requests name it as their namespace too; it is kept in none.
            call = replace(call, info=replace(call.info, namespace=""))
        verb = call.info.verb
        if verb not in (_ITEM_VERBS if call.info.name else _COLLECTION_VERBS):
            raise status.method_not_allowed()
        if resource.create_only:
            if verb != "create":
                raise status.method_not_allowed()
            return _review_access(resource, call)
        if verb == "watch":
            return Stream(open_watch(self._store, resource, call))
        if verb == "list":
            return list_objects(self._store, resource, call)
        if resource.namespaced and not call.info.namespace:
            raise status.method_not_allowed()
        if verb == "get":
            return self._get(resource, call)
        return _WRITES[verb](self._store, resource, call)

    def _get(self, resource: Resource, call: Call) -> Answer:
        found = self._store.version(resource.key, call.info.namespace, call.info.name)
        if call.wants_table:
            return writes.shown(resource, 200, found.obj, call)
        return Answer(200, found.json() + b"\n")

    async def _subresource(self, resource: Resource, call: Call) -> Answer | Stream | Exec:
        name, verb = call.info.subresource, call.info.verb
        if name not in resource.subresources:
            raise _unknown()
        if name == "status" and verb in {"get", "update", "patch"}:
            return self._object(resource, call)
        if name == "eviction" and verb == "create":
            return evict(self._store, call)
        if name == "exec" and verb in {"get", "create"}:
            return pod_exec(self._store, self._backend, call, self.version)
        if verb != "get":
            raise status.method_not_allowed()
        if name == "log":
            return await pod_log(self._store, self._backend, call)
        if name != "proxy":
            raise status.method_not_allowed()
        return await self._node_proxy(resource, call)

    async def _node_proxy(self, resource: Resource, call: Call) -> Answer:
        node, _, port = call.info.name.partition(":")
        if self._store.get(resource.key, None, node) is None:
            raise status.not_found(resource, node)
        number = int(port) if port.isdigit() else 10250
        answer = await self._backend.node_proxy(node, number, call.info.rest)
        if answer is None:
            place = f"{self._address(node)}:{number}"
            raise status.service_unavailable(
                f"error trying to reach service: dial tcp {place}: connect: connection refused"
            )
        code, content_type, body = answer
        return Answer(code, body, content_type)

    def _address(self, node: str) -> str:
        found = self._store.version("nodes", None, node).obj
        addresses = found.get("status", {}).get("addresses", [])
        return next((str(a["address"]) for a in addresses if a["type"] == "InternalIP"), node)


def _review_access(resource: Resource, call: Call) -> Answer:
    body = call.json()
    spec: Object = body.get("spec") or {}
    attributes = spec.get("resourceAttributes")
    if attributes is not None:
        plural, group = attributes.get("resource", ""), attributes.get("group", "")
        below = f"/{attributes['subresource']}" if attributes.get("subresource") else ""
        key = f"{plural}.{group}{below}" if group else f"{plural}{below}"
        decision = review(
            call.user, attributes.get("verb", ""), key, attributes.get("namespace", "")
        )
    else:
        decision = review_path(call.user, (spec.get("nonResourceAttributes") or {}).get("path", ""))
    return writes.review_access(resource, call, decision, spec)


def _unknown() -> status.ApiStatus:
    return status.ApiStatus(
        404, "NotFound", "the server could not find the requested resource", details={}
    )
