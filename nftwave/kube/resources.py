"""The API resources that a migration touches, by path.

Objects are handled as the JSON that the server sends: a cluster of 5,000 nodes is then read without
building 5,000 typed models, and a field that this client does not know survives a replace.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Object = Mapping[str, Any]
"""A Kubernetes object, or a Status, as the server sent it."""


class Resource(NamedTuple):
    """A kind of object, and where the API server keeps it."""

    prefix: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """The URL path of a collection or of one object."""
        parts = [self.prefix]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *([name] if name else [])])


NODES = Resource("/api/v1", "nodes", namespaced=False)
NAMESPACES = Resource("/api/v1", "namespaces", namespaced=False)
PODS = Resource("/api/v1", "pods")
SERVICES = Resource("/api/v1", "services")
ENDPOINT_SLICES = Resource("/apis/discovery.k8s.io/v1", "endpointslices")
CONFIG_MAPS = Resource("/api/v1", "configmaps")
DAEMON_SETS = Resource("/apis/apps/v1", "daemonsets")
CONTROLLER_REVISIONS = Resource("/apis/apps/v1", "controllerrevisions")
LEASES = Resource("/apis/coordination.k8s.io/v1", "leases")
