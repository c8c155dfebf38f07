"""What stands around kube-proxy in a cluster: Services, the control plane, and other networking.

Eight requests, however many nodes there are. What is not installed (Calico, Cilium, kubeadm's own
ConfigMap) is absent, which is a fact and no error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nftwave import yamlnodes
from nftwave.kube.objects import KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, DAEMON_SETS, PODS, SERVICES, Resource
from nftwave.services import ServiceView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nftwave.kube.gateway import Gateway
    from nftwave.kube.resources import Object

CLUSTER_INFORMATIONS = Resource(
    "/apis/crd.projectcalico.org/v1", "clusterinformations", namespaced=False
)
FELIX_CONFIGURATIONS = Resource(
    "/apis/crd.projectcalico.org/v1", "felixconfigurations", namespaced=False
)
INSTALLATIONS = Resource("/apis/operator.tigera.io/v1", "installations", namespaced=False)
CONTROL_PLANE_LABEL = "tier=control-plane"
"""Label of kubeadm's static pods (Kubernetes 1.36 source, cmd/kubeadm/app/constants)."""


@dataclass(frozen=True, slots=True)
class ControlPlanePod:
    """A static pod of the control plane: `component` is kube-apiserver, etcd and so on."""

    component: str
    node: str
    image: str

    @classmethod
    def of(cls, pod: Object) -> ControlPlanePod:
        """From the JSON of a Pod."""
        labels = pod["metadata"].get("labels") or {}
        spec = pod["spec"]
        return cls(
            component=labels.get("component", ""),
            node=spec.get("nodeName", ""),
            image=spec["containers"][0].get("image", ""),
        )


@dataclass(frozen=True, slots=True)
class Agent:
    """A DaemonSet, as far as it tells which networking runs on the nodes."""

    namespace: str
    name: str
    images: tuple[str, ...]
    arguments: tuple[str, ...]
    """Command and arguments of all its containers."""
    environment: Mapping[str, str]
    """Variables that have a plain value."""

    def __str__(self) -> str:
        return f"DaemonSet {self.namespace}/{self.name}"

    @classmethod
    def of(cls, daemon_set: Object) -> Agent:
        """From the JSON of a DaemonSet."""
        meta = daemon_set["metadata"]
        containers = daemon_set["spec"]["template"]["spec"].get("containers") or ()
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            images=tuple(one.get("image", "") for one in containers),
            arguments=tuple(
                part
                for one in containers
                for part in (*(one.get("command") or ()), *(one.get("args") or ()))
            ),
            environment={
                entry["name"]: entry["value"]
                for one in containers
                for entry in one.get("env") or ()
                if "value" in entry
            },
        )


@dataclass(frozen=True, slots=True)
class Calico:
    """Calico's own objects, each empty where it is not there."""

    information: Mapping[str, Any] = field(default_factory=dict)
    """spec of ClusterInformation `default`."""
    felix: Mapping[str, Any] = field(default_factory=dict)
    """spec of FelixConfiguration `default`."""
    installation: Mapping[str, Any] = field(default_factory=dict)
    """spec of the operator's Installation `default`."""


@dataclass(frozen=True)
class Surroundings:
    """What was read around kube-proxy; everything is empty where nothing was found.

    Attributes:
        kubeadm: kubeadm's ClusterConfiguration.
        cilium: data of ConfigMap kube-system/cilium-config.
    """

    services: tuple[ServiceView, ...] = ()
    control_plane: tuple[ControlPlanePod, ...] = ()
    agents: tuple[Agent, ...] = ()
    kubeadm: Mapping[str, Any] = field(default_factory=dict)
    cilium: Mapping[str, str] = field(default_factory=dict)
    calico: Calico = Calico()

    def agent(self, *names: str) -> Agent | None:
        """The DaemonSet of one of these names, in whatever namespace."""
        return next((one for one in self.agents if one.name in names), None)


def read_surroundings(gateway: Gateway) -> Surroundings:
    """Read them.

    Raises:
        ApiError: the API server refused or stayed away.
    """
    pods = gateway.list(PODS, KUBE_SYSTEM, labels=CONTROL_PLANE_LABEL)
    kubeadm = _data(gateway, "kubeadm-config").get("ClusterConfiguration", "")
    return Surroundings(
        services=read_services(gateway),
        control_plane=tuple(ControlPlanePod.of(item) for item in pods.items),
        agents=tuple(Agent.of(item) for item in gateway.list(DAEMON_SETS).items),
        kubeadm=_mapping(kubeadm),
        cilium=_data(gateway, "cilium-config"),
        calico=Calico(
            _default(gateway, CLUSTER_INFORMATIONS),
            _default(gateway, FELIX_CONFIGURATIONS),
            _default(gateway, INSTALLATIONS),
        ),
    )


def read_services(gateway: Gateway) -> tuple[ServiceView, ...]:
    """All Services of the cluster."""
    return tuple(ServiceView.of(item) for item in gateway.list(SERVICES).items)


def _data(gateway: Gateway, name: str) -> Mapping[str, str]:
    found = gateway.find(CONFIG_MAPS, name, KUBE_SYSTEM) or {}
    return found.get("data") or {}


def _default(gateway: Gateway, resource: Resource) -> Mapping[str, Any]:
    found = gateway.find(resource, "default") or {}
    return found.get("spec") or {}


def _mapping(text: str) -> Mapping[str, Any]:
    """A YAML text as a mapping; empty where it is none: then nothing is known."""
    try:
        value = yamlnodes.read(text).value
    except yamlnodes.Malformed:
        return {}
    return value if isinstance(value, dict) else {}
