"""What an API server was asked to do: the lab's audit log."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nftwave.lab.api.requestinfo import RequestInfo

MUTATING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})

# They carry a question, not a change.
_REVIEWS = frozenset({"selfsubjectaccessreviews.authorization.k8s.io"})


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutating request that was carried out (or tried out, with dry run)."""

    time: str
    """When it was answered, RFC 3339 with microseconds, UTC."""
    verb: str
    resource: str
    """`configmaps`, `daemonsets.apps`, `nodes/status`."""
    namespace: str
    name: str
    dry_run: bool
    user: str
    user_agent: str
    status: int
    """HTTP status of the answer."""
    resource_version: str
    """Of the cluster, after the request."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that would change something, whatever was answered, in the order of answers."""

    time: str
    """When it was answered, RFC 3339 with microseconds, UTC."""
    method: str
    path: str
    """Without the query."""
    user_agent: str
    status: int
    """HTTP status of the answer, also of one that a fault lost; 0: it was not looked at."""
    dry_run: bool
    """As its query says, and for one that was carried out its body too."""
    fault: str
    """Name of the fault that hit it, or empty."""


class Audit:
    """Counts of requests and bytes, and the lists of mutations and of attempts."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.statuses: Counter[int] = Counter()
        self.bytes_sent = 0
        self.mutations: list[Mutation] = []
        self.attempts: list[Attempt] = []

    def count(self, info: RequestInfo) -> None:
        """A request arrived; a watch counts once, when it is opened."""
        self.requests[info.verb, info.resource_key] += 1

    def answered(self, status: int) -> None:
        """A request was answered with that HTTP status."""
        self.statuses[status] += 1

    def sent(self, count: int) -> None:
        """That many bytes of body went out, as compressed."""
        self.bytes_sent += count

    def attempted(
        self,
        info: RequestInfo,
        method: str,
        *,
        user_agent: str = "",
        status: int = 0,
        dry_run: bool = False,
        fault: str = "",
    ) -> None:
        """A request was answered, or hangs; only those that would change something are listed."""
        if _would_change(info):
            path = info.path
            self.attempts.append(Attempt(_now(), method, path, user_agent, status, dry_run, fault))

    def mutated(
        self,
        info: RequestInfo,
        *,
        name: str,
        dry_run: bool,
        user: str,
        user_agent: str,
        status: int,
        resource_version: int,
    ) -> None:
        """A mutating request was carried out; reviews of access are none."""
        if not _would_change(info):
            return
        self.mutations.append(
            Mutation(
                time=_now(),
                verb=info.verb,
                resource=info.resource_key,
                namespace=info.namespace,
                name=name,
                dry_run=dry_run,
                user=user,
                user_agent=user_agent,
                status=status,
                resource_version=str(resource_version),
            )
        )

    def as_json(self) -> dict[str, Any]:
        """All of it, with the keys that `nftwave lab state` shows."""
        return {
            "requests": [
                {"verb": verb, "resource": resource, "count": count}
                for (verb, resource), count in sorted(self.requests.items())
            ],
            "requestCount": self.requests.total(),
            "statuses": {str(code): count for code, count in sorted(self.statuses.items())},
            "bytesSent": self.bytes_sent,
            "mutations": [_camel_case(asdict(mutation)) for mutation in self.mutations],
            "attempts": [_camel_case(asdict(attempt)) for attempt in self.attempts],
        }


def _would_change(info: RequestInfo) -> bool:
    return info.verb in MUTATING_VERBS and info.resource_key not in _REVIEWS


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _camel_case(row: dict[str, Any]) -> dict[str, Any]:
    def renamed(key: str) -> str:
        first, *rest = key.split("_")
        return first + "".join(part.title() for part in rest)

    return {renamed(key): value for key, value in row.items()}
