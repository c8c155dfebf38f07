"""One cluster's API server: read, change, dry-run.

Differences from calling the kubernetes client directly:

    | case                     | kubernetes client         | here                              |
    |--------------------------|---------------------------|-----------------------------------|
    | objects                  | typed models              | the server's JSON                 |
    | urllib3's silent retries | PUT, DELETE sent again    | off: a lost answer is told apart  |
    | 429, 5xx, reset: a read  | raised                    | again; Retry-After is honoured    |
    | the same on a change     | raised                    | `ApiUnavailable` says what is     |
    |                          |                           | known; `converge` looks before it |
    |                          |                           | repeats                           |
    | lists                    | whole                     | pages, at one resourceVersion     |
    | errors                   | ApiException              | a class a status, what to do      |
"""

from __future__ import annotations

import json
import random
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar

from nftwave.errors import BadInput, NftwaveError
from nftwave.kube.errors import (
    ApiError,
    ApiExpired,
    ApiNotFound,
    ApiUnavailable,
    ApiUntrusted,
    from_answer,
)
from nftwave.kube.resources import PODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kubernetes.client import ApiClient

    from nftwave.kube.resources import Object, Resource

T = TypeVar("T")

PAGE = 500
"""Objects in one page of a list: kubectl's own."""
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
"""Seconds: the API server itself gives up on a request after 60 s (--request-timeout)."""
ONE_OBJECT_TIMEOUT = 20.0
"""Seconds for one object that is read. It waits in the server's queue at most (a quarter of the
request timeout, Kubernetes source, API Priority and Fairness), while a change waits for admission
webhooks too, up to 30 s each. A connection that died unnoticed is so found in a third of the time.
"""
ATTEMPTS = 8
"""How often a read is tried: with the waits below for 26 s at least."""
FIRST_ATTEMPTS = 3
"""The same until the server has answered for the first time: a wrong address is told at once."""
LONGEST_WAIT = 10.0


@dataclass(frozen=True)
class Listing:
    """A list as of one resourceVersion, from which a watch can go on without a gap."""

    items: tuple[Object, ...]
    resource_version: str


class Gateway:
    """The API server of one cluster. Usable from several threads.

    Args:
        client: a configured client of the kubernetes library.
        cluster: the name that messages and errors carry.
        answer_within: seconds that an answer is waited for; `READ_TIMEOUT` where None.
        attempts: how often a read is tried.
    """

    def __init__(
        self,
        client: ApiClient,
        cluster: str,
        *,
        answer_within: float | None = None,
        attempts: int = ATTEMPTS,
    ) -> None:
        answer_within = READ_TIMEOUT if answer_within is None else answer_within
        self._client = client
        self._reached = False
        self._timeout = (min(CONNECT_TIMEOUT, answer_within), answer_within)
        self._soon = (self._timeout[0], min(ONE_OBJECT_TIMEOUT, answer_within))
        self._most = attempts
        self.cluster = cluster

    def brisk(self, answer_within: float, *, attempts: int = 1) -> Gateway:
        """The same API server for whoever has no time: nothing is asked twice, or not often."""
        return Gateway(self._client, self.cluster, answer_within=answer_within, attempts=attempts)

    @property
    def configuration(self) -> Any:
        """Address and credentials, for what the kubernetes library does over WebSockets."""
        return self._client.configuration

    def text(self, path: str) -> str:
        """What a GET of a path answers, such as a node's `/proxy/healthz`; asked once."""
        return self._body("GET", path).decode(errors="replace")

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.close()

    # Reading

    def version(self) -> str:
        """The API server's gitVersion, such as `v1.36.2`."""
        return str(_object(self._read("/version", timeout=self._soon))["gitVersion"])

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object:
        """One object.

        Raises:
            ApiNotFound: there is none.
        """
        return _object(self._read(resource.path(namespace, name), timeout=self._soon))

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None where there is none (or its API group is not installed)."""
        with suppress(ApiNotFound):
            return self.get(resource, name, namespace)
        return None

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Listing:
        """All objects, page by page; begun anew once if the pages expire meanwhile."""
        try:
            return self._list(resource, namespace, labels, fields)
        except ApiExpired:
            return self._list(resource, namespace, labels, fields)

    def log(
        self,
        namespace: str,
        pod: str,
        *,
        tail: int = 0,
        first_bytes: int = 0,
        previous: bool = False,
    ) -> str:
        """Log of a pod's only container: its last lines, or its first bytes.

        Args:
            previous: of the container that ran before the present one.
        """
        query = {"tailLines": tail, "limitBytes": first_bytes, "previous": previous and "true"}
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self._read(path, {k: v for k, v in query.items() if v}).decode(errors="replace")

    # Changing. Nothing here is repeated behind the caller's back, except after a 429,
    # which says that nothing was done.

    def create(
        self,
        resource: Resource,
        body: Object,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
    ) -> Object:
        """Create an object; `ApiConflict` where it exists."""
        return self._change("POST", resource.path(namespace), body, dry_run=dry_run)

    def replace(self, resource: Resource, body: Object, *, dry_run: bool = False) -> Object:
        """Replace an object under the resourceVersion that it carries."""
        meta = body["metadata"]
        path = resource.path(meta.get("namespace"), meta["name"])
        return self._change("PUT", path, body, dry_run=dry_run)

    def merge(
        self,
        resource: Resource,
        name: str,
        patch: Object,
        namespace: str | None = None,
        *,
        strategic: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Patch an object; a resourceVersion in the patch's metadata is a precondition."""
        kind = "strategic-merge-patch" if strategic else "merge-patch"
        return self._change(
            "PATCH",
            resource.path(namespace, name),
            patch,
            dry_run=dry_run,
            content_type=f"application/{kind}+json",
        )

    def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str,
        dry_run: bool = False,
    ) -> None:
        """Delete the object of that uid; `ApiConflict` where the name is another's by now."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        self._change("DELETE", resource.path(namespace, name), body, dry_run=dry_run)

    def evict(self, pod: str, namespace: str, *, uid: str) -> None:
        """Ask for a pod to be evicted; a 429 says that a PodDisruptionBudget does not allow it now.

        Raises:
            ApiUnavailable: with status 429, at once: how long it is tried is the caller's to say.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = f"{PODS.path(namespace, pod)}/eviction"
        self._body("POST", path, None, body, "application/json")

    # Watching

    def watch_once(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        seconds: float,
    ) -> Iterator[tuple[str, Object]]:
        """(type, object) of each event of one watch request, until it ends or `seconds` are over.

        Raises:
            ApiExpired: the resourceVersion is older than what the server keeps: list again.
            ApiUnavailable: the connection was lost; go on from the last resourceVersion seen.
        """
        query: dict[str, Any] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": max(1, int(seconds)),
        }
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        path = resource.path(namespace)
        response = self._send(
            "GET", path, query, timeout=(CONNECT_TIMEOUT, seconds + CONNECT_TIMEOUT)
        )
        try:
            for line in _lines(response, self.cluster):
                event = _object(line)
                if event["type"] == "ERROR":
                    told = event["object"]
                    raise from_answer(
                        int(told.get("code", 500)), json.dumps(told).encode(), cluster=self.cluster
                    )
                yield event["type"], event["object"]
        finally:
            response.close()

    # How

    def _list(self, resource: Resource, namespace: str | None, labels: str, fields: str) -> Listing:
        items: list[Object] = []
        query: dict[str, Any] = {"limit": PAGE}
        if labels:
            query["labelSelector"] = labels
        if fields:
            query["fieldSelector"] = fields
        while True:
            page = _object(self._read(resource.path(namespace), query))
            items += page.get("items") or ()
            more = page["metadata"].get("continue")
            if not more:
                return Listing(tuple(items), str(page["metadata"]["resourceVersion"]))
            query["continue"] = more

    def _read(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        timeout: tuple[float, float] | None = None,
    ) -> bytes:
        return again(
            lambda: self._body("GET", path, query, timeout=timeout),
            may_repeat=lambda _: True,
            attempts=self._attempts,
        )

    @property
    def _attempts(self) -> int:
        return self._most if self._reached else min(self._most, FIRST_ATTEMPTS)

    def _change(
        self,
        method: str,
        path: str,
        body: Object,
        *,
        dry_run: bool,
        content_type: str = "application/json",
    ) -> Object:
        query = {"dryRun": "All"} if dry_run else None
        # A dry run changes nothing, so it may be repeated like a read.
        return _object(
            again(
                lambda: self._body(method, path, query, body, content_type),
                may_repeat=lambda error: dry_run or error.carried_out is False,
                attempts=self._attempts,
            )
        )

    def _body(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content_type: str | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> bytes:
        import urllib3.exceptions

        response = self._send(method, path, query, body, content_type, timeout)
        try:
            data: bytes = response.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._lost(error, f"{method} {path}") from error
        self._reached = True
        if response.status >= HTTPStatus.BAD_REQUEST:
            retry_after = response.headers.get("Retry-After")
            raise from_answer(
                response.status,
                data,
                cluster=self.cluster,
                request=f"{method} {path}",
                retry_after=retry_after,
            )
        return data

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Object | None = None,
        content_type: str | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> Any:
        import urllib3.exceptions
        from kubernetes.client import ApiException

        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        request = self._client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            waits = timeout or self._timeout
            answer = self._client.call_api(*request, _request_timeout=waits).response
        except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
            raise self._lost(error, f"{method} {path}") from error
        if answer.status >= HTTPStatus.BAD_REQUEST and (query or {}).get("watch"):
            retry_after = answer.headers.get("Retry-After")
            raise from_answer(
                answer.status,
                answer.data,
                cluster=self.cluster,
                request=f"{method} {path}",
                retry_after=retry_after,
            )
        return answer

    def _lost(self, error: Exception, request: str) -> NftwaveError:
        """What it means that no answer came. TLS errors come as an ApiException with status 0."""
        import urllib3.exceptions as lost

        told = _plain(error)
        if "CERTIFICATE_VERIFY_FAILED" in told:
            return ApiUntrusted(
                f"the API server's certificate is not trusted: {told}",
                cluster=self.cluster,
                next_step="see that server and certificate-authority of this context belong"
                " together; it may be another cluster",
            )
        if "PEM" in told or "KEY_VALUES_MISMATCH" in told:
            return BadInput(
                f"a certificate or key of the kubeconfig cannot be used: {told}",
                field=f"cluster {self.cluster}",
            )
        never_sent = isinstance(
            error, lost.NewConnectionError | lost.ConnectTimeoutError | lost.SSLError
        )
        host = self._client.configuration.host
        return ApiUnavailable(
            f"no answer from the API server at {host} to {request}: {told}",
            cluster=self.cluster,
            carried_out=False if never_sent else None,
            next_step="see that the API server can be reached from here, then run the same again",
        )


def again(
    call: Callable[[], T],
    *,
    may_repeat: Callable[[ApiUnavailable], bool],
    attempts: int,
) -> T:
    """`call()`, repeated with growing waits while it fails with something that may pass.

    Waits are the server's Retry-After where it names one, else 0.25 s doubled each time, at most
    `LONGEST_WAIT`, with jitter so that many clients do not come back at once.
    """
    for attempt in range(attempts):
        try:
            return call()
        except ApiUnavailable as error:
            if attempt == attempts - 1 or not may_repeat(error):
                raise
            wait = error.retry_after or min(0.25 * 2**attempt, LONGEST_WAIT)
            time.sleep(wait * random.uniform(1, 1.25))  # noqa: S311 (jitter, not a secret)
    raise AssertionError("unreachable")  # the last attempt returns or raises


def _object(body: bytes) -> Object:
    try:
        found: Object = json.loads(body)
    except ValueError as error:
        told = " ".join(body[:100].decode(errors="replace").split())
        raise ApiError(
            f"something answered that is no API server: {told!r}",
            next_step="see what stands between this machine and the API server (a proxy's page?)",
        ) from error
    return found


def _lines(response: Any, cluster: str) -> Iterator[bytes]:
    """Lines of a stream as they come; a connection that breaks is `ApiUnavailable`."""
    import urllib3.exceptions

    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=True):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line for line in whole if line)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise ApiUnavailable(f"a watch broke off: {_plain(error)}", cluster=cluster) from error


def _plain(error: Exception) -> str:
    """The innermost reason in one line, without the library's object addresses."""
    cause = getattr(error, "reason", None) or error
    text = " ".join(str(cause).split())
    return text.split(": ", 1)[1] if text.startswith("<") and ": " in text else text
