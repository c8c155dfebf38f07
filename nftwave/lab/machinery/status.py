"""Refusals: the `Status` objects of the API, with the real server's reasons and wording.

Wording: measured against kube-apiserver 1.36.2 where `tests/recordings/api` has the case, else
Kubernetes 1.36 source (apimachinery/pkg/api/errors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

_STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


@dataclass(frozen=True, slots=True)
class Cause:
    """What is wrong with one field of an object."""

    reason: str
    message: str
    field: str


class ApiStatus(Exception):
    """A request was refused; carries the `Status` that says why.

    Attributes:
        code: HTTP status.
        reason: the machine-readable reason, `NotFound`.
        message: the sentence for people.
        details: name, group, kind, causes, retryAfterSeconds, as far as known.
        headers: to be sent with the answer, such as Retry-After (seconds).
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Object | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def as_json(self) -> Object:
        """The `Status` object."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **({"details": self.details} if self.details is not None else {}),
            "code": self.code,
        }


def _details(resource: Resource, name: str = "", kind: str = "") -> Object:
    return {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": kind or resource.plural,
    }


def success(resource: Resource, name: str, uid: str) -> Object:
    """The `Status` that answers a delete."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**_details(resource, name), "uid": uid},
    }


def not_found(resource: Resource, name: str) -> ApiStatus:
    """404: no such object."""
    return ApiStatus(
        404, "NotFound", f'{resource.key} "{name}" not found', details=_details(resource, name)
    )


def already_exists(resource: Resource, name: str) -> ApiStatus:
    """409: an object of this name is there."""
    return ApiStatus(
        409,
        "AlreadyExists",
        f'{resource.key} "{name}" already exists',
        details=_details(resource, name),
    )


def conflict(resource: Resource, name: str, why: str = _STALE) -> ApiStatus:
    """409: the object is no longer the one that the writer read."""
    return ApiStatus(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.key} "{name}": {why}',
        details=_details(resource, name),
    )


def precondition_failed(resource: Resource, name: str, why: str) -> ApiStatus:
    """409 on a delete with preconditions; it names the kind where others name the resource."""
    return ApiStatus(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.kind_key} "{name}": {why}',
        details=_details(resource, name, resource.kind),
    )


def invalid(resource: Resource, name: str, causes: Sequence[Cause]) -> ApiStatus:
    """422: the object breaks the rules of its kind."""
    sentences = [f"{cause.field}: {cause.message}" for cause in causes]
    said = sentences[0] if len(sentences) == 1 else f"[{', '.join(sentences)}]"
    details = _details(resource, name, resource.kind)
    details["causes"] = [
        {"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes
    ]
    return ApiStatus(
        422, "Invalid", f'{resource.kind_key} "{name}" is invalid: {said}', details=details
    )


def bad_request(message: str) -> ApiStatus:
    """400: the request cannot be understood."""
    return ApiStatus(400, "BadRequest", message)


def unauthorized() -> ApiStatus:
    """401: credentials were given and are not known."""
    return ApiStatus(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> ApiStatus:
    """403: known, but not allowed to; also for resources that nobody serves."""
    key = f"{plural}.{group}" if group else plural
    return ApiStatus(
        403,
        "Forbidden",
        f'{key} "{name}" is forbidden: {why}' if name else f"{key} is forbidden: {why}",
        details={
            **({"name": name} if name else {}),
            **({"group": group} if group else {}),
            "kind": plural,
        },
    )


def expired(message: str) -> ApiStatus:
    """410: that resourceVersion is no longer kept."""
    return ApiStatus(410, "Expired", message)


def too_old(asked: int, oldest: int) -> ApiStatus:
    """410 of a watch from before the kept history."""
    return expired(f"too old resource version: {asked} ({oldest})")


def too_large(asked: int, current: int) -> ApiStatus:
    """504: a resourceVersion that this server has not reached."""
    return ApiStatus(
        504,
        "Timeout",
        f"Too large resource version: {asked}, current: {current}",
        details={
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
    )


def method_not_allowed() -> ApiStatus:
    """405: this cannot be done with this resource."""
    return ApiStatus(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        details={},
    )


def not_acceptable(accepted: Sequence[str]) -> ApiStatus:
    """406: none of the media types that the client accepts is served."""
    return ApiStatus(
        406,
        "NotAcceptable",
        f"only the following media types are accepted: {', '.join(accepted)}",
    )


def unsupported_media_type(accepted: Sequence[str]) -> ApiStatus:
    """415: the body is in a format that is not read here."""
    return ApiStatus(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def entity_too_large(limit: int) -> ApiStatus:
    """413: the body is longer than `limit` bytes."""
    return ApiStatus(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def internal_error(what: str) -> ApiStatus:
    """500: something broke in the server."""
    return ApiStatus(
        500,
        "InternalError",
        f"Internal error occurred: {what}",
        details={"causes": [{"message": what}]},
    )


def kubelet_unreachable(address: str) -> ApiStatus:
    """500 without a reason: the API server cannot reach the kubelet it has to ask."""
    message = f"error dialing backend: dial tcp {address}:10250: connect: connection refused"
    return ApiStatus(500, "", message)


def service_unavailable(message: str) -> ApiStatus:
    """503: what the server asked on the client's behalf did not answer."""
    return ApiStatus(503, "ServiceUnavailable", message)
