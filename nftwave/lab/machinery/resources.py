"""The resources that the API server serves.

A row is all that a resource needs to be stored, listed, watched and discovered. Columns for
`kubectl get` and validation are tables of their own, by resource key, and optional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nftwave.lab.machinery.objects import Object

Rule = Callable[["Resource", Object | None, Object], Object]
"""(resource, the object before or None, the object wanted) -> the object to store.

It fills in defaults, and raises ApiStatus for what the kind forbids.
"""


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object and how the API names it.

    Attributes:
        group: API group, empty for the core group.
        version: the only version that is served.
        plural: as in paths, `daemonsets`.
        kind: as in objects, `DaemonSet`.
        namespaced: whether its objects live in namespaces.
        singular: as kubectl accepts it; the kind in lower case if empty.
        short_names: as kubectl accepts them, `ds`.
        subresources: what can be asked below one object, `status`, `log`, `proxy`.
        generation: whether `metadata.generation` counts changes of the spec.
        custom: defined by a CustomResourceDefinition: its JSON has sorted keys, and items of its
            lists name their kind.
        create_only: nothing is kept; an answer is computed from what is posted.
        upsert: whether a PUT may create (Kubernetes: AllowCreateOnUpdate).
        unconditional: whether a PUT may leave out `metadata.resourceVersion`.
        categories: as kubectl accepts them, `all`.
        rule: what is filled in and refused on writing; None where `admission` knows it, or
            where anything goes.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generation: bool = False
    custom: bool = False
    create_only: bool = False
    upsert: bool = False
    unconditional: bool = True
    categories: tuple[str, ...] = ()
    rule: Rule | None = None

    @property
    def key(self) -> str:
        """`pods`, `daemonsets.apps`: how the store and the server's messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def kind_key(self) -> str:
        """`Pod`, `DaemonSet.apps`: how messages about invalid objects name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`: as in objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def verbs(self) -> tuple[str, ...]:
        """What discovery says can be done with it."""
        if self.create_only:
            return ("create",)
        return ("create", "delete", "get", "list", "patch", "update", "watch")


_ALL = ("all",)

RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "configmaps", "ConfigMap", namespaced=True, short_names=("cm",)),
    Resource("", "v1", "events", "Event", namespaced=True, short_names=("ev",), upsert=True),
    Resource(
        "", "v1", "namespaces", "Namespace", namespaced=False,
        short_names=("ns",), subresources=("status",),
    ),
    Resource(
        "", "v1", "nodes", "Node", namespaced=False,
        short_names=("no",), subresources=("proxy", "status"),
    ),
    Resource(
        "", "v1", "pods", "Pod", namespaced=True, short_names=("po",),
        subresources=("eviction", "exec", "log", "status"), generation=True, categories=_ALL,
    ),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True, short_names=("sa",)),
    Resource(
        "", "v1", "services", "Service", namespaced=True,
        short_names=("svc",), subresources=("status",), categories=_ALL,
    ),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision", namespaced=True),
    Resource(
        "apps", "v1", "daemonsets", "DaemonSet", namespaced=True, short_names=("ds",),
        subresources=("status",), generation=True, categories=_ALL,
    ),
    Resource(
        "apps", "v1", "deployments", "Deployment", namespaced=True, short_names=("deploy",),
        subresources=("status",), generation=True, categories=_ALL,
    ),
    Resource(
        "apps", "v1", "replicasets", "ReplicaSet", namespaced=True, short_names=("rs",),
        subresources=("status",), generation=True, categories=_ALL,
    ),
    Resource(
        "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
        namespaced=False, create_only=True,
    ),
    Resource(
        "coordination.k8s.io", "v1", "leases", "Lease", namespaced=True,
        upsert=True, unconditional=False,
    ),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True,
        short_names=("pdb",), subresources=("status",), generation=True,
    ),
)  # fmt: skip
