"""BOOKMARK events: an empty object that carries a resourceVersion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.machinery.resources import Resource

_TEMPLATE: Object = {"metadata": {}, "spec": {"containers": None}}

# What an empty object of a kind looks like in JSON: fields without `omitempty` show. The pod's is
# recorded, the others follow Kubernetes 1.36 source (staging/src/k8s.io/api).
_EMPTY: Mapping[str, Object] = {
    "controllerrevisions.apps": {"revision": 0},
    "daemonsets.apps": {
        "spec": {
            "selector": None,
            "template": _TEMPLATE,
            "updateStrategy": {},
        },
        "status": {
            "currentNumberScheduled": 0,
            "numberMisscheduled": 0,
            "desiredNumberScheduled": 0,
            "numberReady": 0,
        },
    },
    "deployments.apps": {
        "spec": {"selector": None, "template": _TEMPLATE, "strategy": {}},
        "status": {},
    },
    "endpointslices.discovery.k8s.io": {"addressType": "", "endpoints": None, "ports": None},
    "events": {
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "leases.coordination.k8s.io": {"spec": {}},
    "namespaces": {"spec": {}, "status": {}},
    "nodes": {
        "spec": {},
        "status": {
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": dict.fromkeys(
                (
                    "machineID",
                    "systemUUID",
                    "bootID",
                    "kernelVersion",
                    "osImage",
                    "containerRuntimeVersion",
                    "kubeletVersion",
                    "kubeProxyVersion",
                    "operatingSystem",
                    "architecture",
                ),
                "",
            ),
        },
    },
    "poddisruptionbudgets.policy": {
        "spec": {},
        "status": {
            "disruptionsAllowed": 0,
            "currentHealthy": 0,
            "desiredHealthy": 0,
            "expectedPods": 0,
        },
    },
    "pods": {"spec": {"containers": None}, "status": {}},
    "replicasets.apps": {
        "spec": {"selector": None, "template": _TEMPLATE},
        "status": {"replicas": 0},
    },
    "services": {"spec": {}, "status": {"loadBalancer": {}}},
}


def bookmark(resource: Resource, number: int, *, initial_end: bool) -> Object:
    """The object of a BOOKMARK: all changes up to that resourceVersion have been sent.

    `initial_end` marks the end of what was there when the watch began.
    """
    metadata: Object = {"resourceVersion": str(number)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    head = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return {**head, **_EMPTY.get(resource.key, {})}
