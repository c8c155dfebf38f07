"""Lists: selectors, pages that stay consistent while others write, and what a page looks like."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.api.calls import Answer, Call, json_answer
from nftwave.lab.machinery import status
from nftwave.lab.machinery.objects import key_of
from nftwave.lab.machinery.selectors import Predicate, field_selector, label_selector
from nftwave.lab.printers.tables import table

if TYPE_CHECKING:
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource
    from nftwave.lab.store.history import Version
    from nftwave.lab.store.store import Store

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You must start a new list without the continue parameter."
)


@dataclass(frozen=True, slots=True)
class _Continue:
    """Where the next page starts: after which key, at which resourceVersion."""

    number: int
    after: tuple[str, str]

    def token(self, *, across_namespaces: bool) -> str:
        namespace, name = self.after
        start = f"/{namespace}/{name}\0" if across_namespaces else f"/{name}\0"
        token = {"v": "meta.k8s.io/v1", "rv": self.number, "start": start}
        encoded = base64.urlsafe_b64encode(json.dumps(token, separators=(",", ":")).encode())
        return encoded.decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str, namespace: str) -> _Continue:
        """ApiStatus 400 for a token that no server of this kind made."""
        try:
            decoded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            *rest, name = decoded["start"].rstrip("\0").split("/")
            return cls(int(decoded["rv"]), (namespace or rest[-1], name))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise status.bad_request(f"continue key is not valid: {error}") from error


def selected(resource: Resource, call: Call) -> Predicate:
    """Whether an object satisfies the request's label and field selectors."""
    tests: list[Predicate] = []
    if labels := call.query.get("labelSelector"):
        tests.append(label_selector(labels))
    if fields := call.query.get("fieldSelector"):
        tests.append(field_selector(resource, fields))
    return lambda obj: all(test(obj) for test in tests)


def list_objects(store: Store, resource: Resource, call: Call) -> Answer:
    """One page, or all, of the objects that the request's selectors leave.

    Raises:
        ApiStatus: 400 for bad parameters, 410 for pages whose past is forgotten.
    """
    namespace = call.info.namespace or None
    number, found = _snapshot(store, resource, call, namespace)
    test = selected(resource, call)
    matching = [version for version in found if test(version.obj)]
    limit = call.number("limit") or len(matching)
    page, rest = matching[:limit], len(matching) - limit
    metadata: Object = {"resourceVersion": str(number)}
    if rest > 0:
        across = resource.namespaced and namespace is None
        after = _Continue(number, key_of(page[-1].obj))
        metadata["continue"] = after.token(across_namespaces=across)
        if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
            metadata["remainingItemCount"] = rest
    if call.wants_table:
        rows = table(resource, [version.obj for version in page], call.query.get("includeObject"))
        return json_answer(200, {**rows, "metadata": metadata})
    return Answer(200, _list_body(resource, metadata, page))


def _snapshot(
    store: Store, resource: Resource, call: Call, namespace: str | None
) -> tuple[int, list[Version]]:
    """The resourceVersion that the list shows, and what is still to be shown of it."""
    token = call.query.get("continue")
    if not token:
        asked = call.number("resourceVersion") or 0
        if call.query.get("resourceVersionMatch") == "Exact":
            return asked, store.versions(resource.key, namespace, at=asked)
        if asked > store.resource_version:
            raise status.too_large(asked, store.resource_version)
        return store.resource_version, store.versions(resource.key, namespace)
    start = _Continue.from_token(token, namespace or "")
    try:
        versions = store.versions(resource.key, namespace, at=start.number)
    except status.ApiStatus as error:
        raise status.expired(_EXPIRED) from error
    return start.number, [version for version in versions if key_of(version.obj) > start.after]


def _list_body(resource: Resource, metadata: Object, page: list[Version]) -> bytes:
    items = b",".join(version.item_json() for version in page)
    shown = json.dumps(metadata, separators=(",", ":")).encode()
    kind, api_version = f"{resource.kind}List".encode(), resource.api_version.encode()
    if resource.custom:
        head = b'{"apiVersion":"%b","items":[' % api_version
        return head + items + b'],"kind":"%b","metadata":%b}\n' % (kind, shown)
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (kind, api_version, shown)
    return head + items + b"]}\n"
