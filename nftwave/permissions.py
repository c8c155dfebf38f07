"""What is asked of the API server, as a table, and which of it we may do.

deployments/rbac.yaml grants exactly this; a test holds the two together.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nftwave.kube.gateway import ATTEMPTS, again
from nftwave.kube.resources import Resource

if TYPE_CHECKING:
    from nftwave.kube.gateway import Gateway

REVIEWS = Resource("/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False)
AT_ONCE = 8
"""Reviews under way at once: a few round trips for all of them, and no burst."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One verb on one resource.

    Attributes:
        resource: plural, with a subresource after a slash (`pods/log`).
        namespace: empty for all of them, and for what is in none.
        name: empty for any.
        group: API group, empty for the core group.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    group: str = ""

    def __str__(self) -> str:
        resource, _, subresource = self.resource.partition("/")
        full = ".".join(filter(None, (resource, self.group)))
        what = "/".join(filter(None, (full, self.name, subresource)))
        return f"{self.verb} {what}" + (f" in {self.namespace}" if self.namespace else "")


_SYSTEM = "kube-system"
_COORDINATION = "coordination.k8s.io"
_CALICO, _OPERATOR = "crd.projectcalico.org", "operator.tigera.io"

PERMISSIONS: tuple[Permission, ...] = (
    # Which cluster, which nodes, what they serve, and who else looks after their network.
    Permission("get", "namespaces", name=_SYSTEM),
    Permission("list", "nodes"),
    Permission("get", "nodes"),
    Permission("list", "services"),
    Permission("watch", "services"),
    Permission("list", "endpointslices", group="discovery.k8s.io"),
    Permission("watch", "endpointslices", group="discovery.k8s.io"),
    Permission("list", "daemonsets", group="apps"),
    Permission("get", "services", "default", "kubernetes"),
    Permission("get", "configmaps", _SYSTEM, "kubeadm-config"),
    Permission("get", "configmaps", _SYSTEM, "cilium-config"),
    Permission("get", "clusterinformations", name="default", group=_CALICO),
    Permission("get", "felixconfigurations", name="default", group=_CALICO),
    Permission("get", "installations", name="default", group=_OPERATOR),
    # The lock: one process at a time works on a cluster.
    Permission("get", "leases", _SYSTEM, "nftwave", _COORDINATION),
    Permission("update", "leases", _SYSTEM, "nftwave", _COORDINATION),
    Permission("create", "leases", _SYSTEM, group=_COORDINATION),
    # kube-proxy's configuration is replaced, and the ledger is kept beside it.
    Permission("get", "configmaps", _SYSTEM, "kube-proxy"),
    Permission("update", "configmaps", _SYSTEM, "kube-proxy"),
    Permission("get", "configmaps", _SYSTEM, "nftwave"),
    Permission("update", "configmaps", _SYSTEM, "nftwave"),
    Permission("create", "configmaps", _SYSTEM),
    # The restart annotation and the update strategy, and the controller's answer to them.
    Permission("get", "daemonsets", _SYSTEM, "kube-proxy", "apps"),
    Permission("patch", "daemonsets", _SYSTEM, "kube-proxy", "apps"),
    Permission("watch", "daemonsets", _SYSTEM, group="apps"),
    Permission("list", "controllerrevisions", _SYSTEM, group="apps"),
    # kube-proxy's pods and the control plane's are listed; the former are watched and read, and
    # deleted when a node has its turn.
    Permission("list", "pods", _SYSTEM),
    Permission("watch", "pods", _SYSTEM),
    Permission("delete", "pods", _SYSTEM),
    Permission("get", "pods/log", _SYSTEM),
)

EXEC_PERMISSIONS: tuple[Permission, ...] = (
    # Over a WebSocket an exec is a GET; servers from 1.35 on ask for create as well.
    Permission("get", "pods/exec", _SYSTEM),
    Permission("create", "pods/exec", _SYSTEM),
    # kube-proxy's /healthz, through the API server.
    Permission("get", "nodes/proxy"),
)
"""What access exec needs beside; deployments/rbac-exec.yaml grants exactly this."""

DRAIN_PERMISSIONS: tuple[Permission, ...] = (
    # A node is cordoned, with our mark, and uncordoned.
    Permission("patch", "nodes"),
    # Its pods are evicted, whatever namespace they are in, and followed until they are gone.
    Permission("list", "pods"),
    Permission("watch", "pods"),
    Permission("create", "pods/eviction"),
)
"""What draining nodes needs beside; deployments/rbac-drain.yaml grants exactly this."""


def missing(
    gateway: Gateway, access: str = "ssh", *, drains: bool = False
) -> tuple[Permission, ...]:
    """What the table has and we may not do, in the table's order; one review each, in parallel.

    Args:
        access: of the cluster; `exec` needs more.
        drains: whether nodes of it are to be drained, which needs more too.

    Raises:
        ApiError: the API server refused or stayed away.
    """
    asked = PERMISSIONS + (EXEC_PERMISSIONS if access == "exec" else ())
    asked += DRAIN_PERMISSIONS if drains else ()
    pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="review")
    try:
        allowed = list(pool.map(lambda one: _allowed(gateway, one), asked))
    finally:
        # Where one was not answered, those that have not begun would not be either.
        pool.shutdown(cancel_futures=True)
    return tuple(one for one, may in zip(asked, allowed, strict=True) if not may)


def _allowed(gateway: Gateway, permission: Permission) -> bool:
    resource, _, subresource = permission.resource.partition("/")
    attributes: dict[str, Any] = {
        "verb": permission.verb,
        "group": permission.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": permission.namespace,
        "name": permission.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
    }
    # A review keeps nothing on the server, so it may be repeated like a read.
    answer = again(
        lambda: gateway.create(REVIEWS, review), may_repeat=lambda _: True, attempts=ATTEMPTS
    )
    return bool(answer["status"]["allowed"])
