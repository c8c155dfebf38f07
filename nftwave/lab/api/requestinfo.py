"""What a request asks for, read off its method and path before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request in the words of the audit log and of RBAC.

    Attributes:
        verb: get, list, watch, create, update, patch, delete, deletecollection; for paths that
            name no resource the HTTP method in lower case.
        path: the whole path, without query.
        group: API group, empty for the core group.
        version: as in the path, `v1`.
        plural: `pods`; None for paths that name no resource.
        namespace: empty for cluster-wide requests.
        name: empty for requests about a collection.
        subresource: `log`, `status`, `proxy`, or empty.
        rest: what follows a subresource, with its leading slash.
    """

    verb: str
    path: str
    group: str = ""
    version: str = ""
    plural: str | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""

    @property
    def store_key(self) -> str:
        """`daemonsets.apps`: the key of the resource, whatever the subresource."""
        plural = self.plural or ""
        return f"{plural}.{self.group}" if self.group else plural

    @property
    def resource_key(self) -> str:
        """`daemonsets.apps/status`: as rules and the audit name it; the path without resource."""
        if self.plural is None:
            return self.path
        return f"{self.store_key}/{self.subresource}" if self.subresource else self.store_key


def parse_request(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read off what is asked, as the API server's RequestInfoFactory does."""
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts[0] == "api" and len(parts) > 2:
        group, version, parts = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, parts = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(method.lower(), path)
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        # /namespaces/NAME and its subresources are about the namespace itself.
        if len(parts) > 2 and parts[2] not in {"status", "finalize"}:
            parts = parts[2:]
    if not parts[0]:
        return RequestInfo(method.lower(), path)
    parts += [""] * (3 - len(parts))
    verb = _VERBS.get(method, method.lower())
    if not parts[1]:
        verb = _collection_verb(verb, query)
    return RequestInfo(
        verb=verb,
        path=path,
        group=group,
        version=version,
        plural=parts[0],
        namespace=namespace,
        name=parts[1],
        subresource=parts[2],
        rest="/" + "/".join(parts[3:]),
    )


def is_true(text: str | None) -> bool:
    """Whether a query parameter says yes, as Go's strconv.ParseBool reads it."""
    return text in _TRUE


def _collection_verb(verb: str, query: Mapping[str, str]) -> str:
    if verb == "delete":
        return "deletecollection"
    if verb != "get":
        return verb
    return "watch" if is_true(query.get("watch")) else "list"
