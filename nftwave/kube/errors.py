"""What the API server answers when it does not do what it was asked.

The class is chosen by HTTP status; the text is the server's own `message`, cut for logs, because
an admission webhook may answer with a page. `ApiUnavailable` is the one that may pass by itself.
"""

from __future__ import annotations

import json
from typing import Any

from nftwave.errors import NftwaveError

MESSAGE_LIMIT = 600
"""Characters of a server's message that are kept."""


class ApiError(NftwaveError):
    """The API server refused or failed.

    Attributes:
        status: the HTTP status; 0 when no answer came.
        reason: the machine-readable reason of the Status object, such as `NotFound`.
    """

    def __init__(
        self,
        what: str,
        *,
        cluster: str | None = None,
        status: int = 0,
        reason: str = "",
        next_step: str | None = None,
    ) -> None:
        super().__init__(what, cluster=cluster, next_step=next_step)
        self.status = status
        self.reason = reason


class ApiUnauthorized(ApiError):
    """401: the credentials are not accepted."""


class ApiForbidden(ApiError):
    """403: the credentials do not allow this."""


class ApiNotFound(ApiError):
    """404: no such object, or no such API group."""


class ApiConflict(ApiError):
    """409: the object is not what the precondition says, or it exists already."""


class ApiExpired(ApiError):
    """410: a watch or a list page is older than what the server keeps."""


class ApiInvalid(ApiError):
    """400 or 422: the server does not accept the object."""


class ApiUnavailable(ApiError):
    """429, 5xx or no answer: may pass by itself.

    Attributes:
        retry_after: seconds that the server asks to wait, 0 when it does not say.
        carried_out: False when the server surely did nothing (429, or no connection was made);
            None when it may have carried the request out before the answer was lost.
    """

    def __init__(
        self,
        what: str,
        *,
        cluster: str | None = None,
        status: int = 0,
        reason: str = "",
        next_step: str | None = None,
        retry_after: float = 0,
        carried_out: bool | None = None,
    ) -> None:
        super().__init__(what, cluster=cluster, status=status, reason=reason, next_step=next_step)
        self.retry_after = retry_after
        self.carried_out = carried_out


class ApiUntrusted(ApiError):
    """The server's certificate is not signed by the kubeconfig's CA, or not for this name."""


_BY_STATUS: dict[int, tuple[type[ApiError], str | None]] = {
    400: (ApiInvalid, None),
    401: (
        ApiUnauthorized,
        "renew the credentials of this context; `kubectl auth whoami` tests them",
    ),
    403: (
        ApiForbidden,
        "grant the rule that the message names; deployments/rbac.yaml has them all",
    ),
    404: (ApiNotFound, None),
    409: (ApiConflict, None),
    410: (ApiExpired, None),
    422: (ApiInvalid, None),
}


def from_answer(
    status: int, body: bytes, *, cluster: str, request: str = "", retry_after: str | None = None
) -> ApiError:
    """The error for an answer with an HTTP status of 400 or more.

    Args:
        request: method and path, for messages that do not name the object themselves.
    """
    told = _status_object(body)
    text = str(told.get("message") or body.decode(errors="replace").strip() or "no message")
    text += _budget(told)
    to = f" to {request}" if request and (status == 429 or status >= 500) else ""
    what = f"the API server answered {status}{to}: {text[:MESSAGE_LIMIT]}"
    reason = str(told.get("reason") or "")
    kind, next_step = _BY_STATUS.get(status, (ApiError, None))
    if "system:anonymous" in what:
        next_step = (
            "no credentials were sent: see the user of this context in the kubeconfig"
            " (an exec plugin that fails gives none)"
        )
    if status == 429 or status >= 500:
        return ApiUnavailable(
            what,
            cluster=cluster,
            status=status,
            reason=reason,
            retry_after=_seconds(retry_after),
            carried_out=False if status == 429 else None,
            next_step="run the same command again when the API server is well",
        )
    return kind(what, cluster=cluster, status=status, reason=reason, next_step=next_step)


def _budget(told: dict[str, Any]) -> str:
    """What an Eviction's refusal says of the PodDisruptionBudget: the message does not name it."""
    causes = (told.get("details") or {}).get("causes") or ()
    why = [c.get("message", "") for c in causes if c.get("reason") == "DisruptionBudget"]
    return "".join(f" {one}" for one in why)


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 0


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
