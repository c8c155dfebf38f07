"""Who asks, and what they may do: client certificates, bearer tokens, a table of rules."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave.lab.machinery import status
from nftwave.lab.pki import Authority

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nftwave.lab.api.requestinfo import RequestInfo

_ALLOWED_BY = {
    "system:masters": "",
    # Recorded: what RBAC says to an administrator made by kubeadm.
    "kubeadm:cluster-admins": (
        'RBAC: allowed by ClusterRoleBinding "kubeadm:cluster-admins" of ClusterRole '
        '"cluster-admin" to Group "kubeadm:cluster-admins"'
    ),
}
"""Groups that may do everything, with the reason an access review gives for them."""

_PUBLIC_PATHS = ("/healthz", "/livez", "/readyz", "/version")
_DISCOVERY_PATHS = ("/api", "/apis", "/openapi")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a user may do; `*` stands for all. As a PolicyRule of RBAC, with namespaces."""

    verbs: frozenset[str]
    resources: frozenset[str]
    """`configmaps`, `daemonsets.apps`, `pods/log`."""
    namespaces: frozenset[str] = frozenset({"*"})

    def allows(self, verb: str, resource: str, namespace: str) -> bool:
        """Whether this rule alone allows it."""
        return (
            _matches(self.verbs, verb)
            and _matches(self.resources, resource)
            and _matches(self.namespaces, namespace)
        )


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated user; its rules add to what its groups may do."""

    name: str
    groups: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or not, and the authoriser's reason, which may be empty."""

    allowed: bool
    reason: str = ""


ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))

_AUTHENTICATED = "system:authenticated"
_READ_ONLY = Rule(frozenset({"get", "list", "watch"}), frozenset({"*"}))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What one cluster's API server believes: its authority's certificates, and tokens.

    Attributes:
        authority: signs the server's certificate and those of clients.
        admin_token: may do everything, as the kubeadm administrator.
        reader_token: service account `default:reader`, may get, list and watch everything.
        recorder_token: service account `default:recorder`, without any right.
        tokens: more tokens and their users.
    """

    authority: Authority = field(default_factory=Authority)
    admin_token: str = field(default_factory=secrets.token_urlsafe)
    reader_token: str = field(default_factory=secrets.token_urlsafe)
    recorder_token: str = field(default_factory=secrets.token_urlsafe)
    tokens: Mapping[str, User] = field(default_factory=dict)

    def authenticate(self, peer: Mapping[str, Any] | None, authorization: str | None) -> User:
        """The user of a verified client certificate (as `ssl` shows it) or of a bearer token.

        Raises:
            ApiStatus: 401 for an unknown token.
        """
        if peer:
            names = [pair for part in peer.get("subject", ()) for pair in part]
            user = next((value for key, value in names if key == "commonName"), "")
            groups = {value for key, value in names if key == "organizationName"}
            return User(user, frozenset(groups | {_AUTHENTICATED}))
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        user_of_token = self._users().get(token.strip())
        if scheme.lower() != "bearer" or user_of_token is None:
            raise status.unauthorized()
        return user_of_token

    def _users(self) -> Mapping[str, User]:
        admin = User("kubernetes-admin", frozenset({"kubeadm:cluster-admins", _AUTHENTICATED}))
        return {
            self.admin_token: admin,
            self.reader_token: service_account("default", "reader", (_READ_ONLY,)),
            self.recorder_token: service_account("default", "recorder"),
            **self.tokens,
        }


def service_account(namespace: str, name: str, rules: Sequence[Rule] = ()) -> User:
    """The user that a service account's token stands for."""
    groups = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}", _AUTHENTICATED}
    return User(f"system:serviceaccount:{namespace}:{name}", frozenset(groups), tuple(rules))


def review(user: User, verb: str, resource: str, namespace: str) -> Decision:
    """Whether the user may do it; `resource` is a key, `configmaps` or `pods/log`."""
    for group, reason in _ALLOWED_BY.items():
        if group in user.groups:
            return Decision(allowed=True, reason=reason)
    if any(rule.allows(verb, resource, namespace) for rule in user.rules):
        return Decision(allowed=True)
    # Every authenticated user may ask what they may do (ClusterRole system:basic-user).
    own_rights = verb == "create" and resource == "selfsubjectaccessreviews.authorization.k8s.io"
    return Decision(allowed=own_rights and _AUTHENTICATED in user.groups)


def review_path(user: User, path: str) -> Decision:
    """Whether the user may read a path that names no resource."""
    for group, reason in _ALLOWED_BY.items():
        if group in user.groups:
            return Decision(allowed=True, reason=reason)
    public = path.startswith(_PUBLIC_PATHS)
    discovery = path.startswith(_DISCOVERY_PATHS) and _AUTHENTICATED in user.groups
    return Decision(allowed=public or discovery)


def authorize(user: User, info: RequestInfo) -> None:
    """Raises ApiStatus 403 with the real server's wording if the user may not do it."""
    if info.plural is None:
        if not review_path(user, info.path).allowed:
            raise status.ApiStatus(
                403,
                "Forbidden",
                f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"',
                details={},
            )
        return
    if review(user, info.verb, info.resource_key, info.namespace).allowed:
        return
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    below = f"{info.plural}/{info.subresource}" if info.subresource else info.plural
    why = (
        f'User "{user.name}" cannot {info.verb} resource "{below}" '
        f'in API group "{info.group}" {where}'
    )
    raise status.forbidden(info.group, info.plural, info.name, why)


def _matches(allowed: frozenset[str], value: str) -> bool:
    return "*" in allowed or value in allowed
