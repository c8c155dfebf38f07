"""Rules on who else has a hand on kube-proxy: GitOps tools, kubeadm, kubespray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nftwave.findings.kubeproxy import CONFIG, DAEMON_SET, image_version, proxy_version
from nftwave.findings.model import Rule, Severity, Sighting
from nftwave.support import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nftwave.clusterfacts import ClusterFacts
    from nftwave.kube.resources import Object


@dataclass(frozen=True, slots=True)
class Mark:
    """What an owner leaves on an object.

    Attributes:
        key: name of a label or annotation, or its beginning where it ends with a slash.
        value: the only value that counts; empty for any.
        manager: name in managedFields.
    """

    owner: str
    key: str = ""
    value: str = ""
    manager: str = ""


MARKS = (
    Mark("Argo CD", key="argocd.argoproj.io/"),
    # Argo CD's own mark unless it is told to use annotations; charts set it too.
    Mark("Argo CD or Helm", key="app.kubernetes.io/instance"),
    Mark("Argo CD", manager="argocd-controller"),
    Mark("Argo CD", manager="argocd-application-controller"),
    Mark("Flux", key="kustomize.toolkit.fluxcd.io/"),
    Mark("Flux", key="helm.toolkit.fluxcd.io/"),
    Mark("Flux", manager="kustomize-controller"),
    Mark("Flux", manager="helm-controller"),
    Mark("Helm", key="meta.helm.sh/"),
    Mark("Helm", key="app.kubernetes.io/managed-by", value="Helm"),
    Mark("Helm", manager="helm"),
    Mark("kube-addon-manager", key="addonmanager.kubernetes.io/mode", value="Reconcile"),
    Mark("Terraform", manager="Terraform"),
)
"""Sources: documentation of Argo CD (resource tracking), Flux (kustomize and helm controllers),
Helm (labels and annotations), Kubernetes (cluster/addons/addon-manager), the Terraform provider
for Kubernetes (field_manager)."""


def owner(facts: ClusterFacts) -> Iterable[Sighting]:
    """Marks of somebody who would put the old state back."""
    daemon_set = facts.daemon_set.object if facts.daemon_set else None
    for subject, found in ((CONFIG, facts.config_map), (DAEMON_SET, daemon_set)):
        for told in dict.fromkeys(_marked(found or {})):
            yield Sighting(subject, told)


def _marked(found: Object) -> Iterator[str]:
    meta: Mapping[str, Any] = found.get("metadata") or {}
    for kind in ("labels", "annotations"):
        for key, value in (meta.get(kind) or {}).items():
            for mark in MARKS:
                if _matches(mark, key, value):
                    yield f"{mark.owner}: {kind.removesuffix('s')} {key}: {value}"
    managers = {entry.get("manager") for entry in meta.get("managedFields") or ()}
    yield from (
        f"{m.owner}: wrote fields of it ({m.manager})" for m in MARKS if m.manager in managers
    )


def _matches(mark: Mark, key: str, value: str) -> bool:
    if not mark.key:
        return False
    named = key.startswith(mark.key) if mark.key.endswith("/") else key == mark.key
    return named and mark.value in ("", value)


CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
"""Label that kubeadm puts on nodes of the control plane."""


def upgrade_under_way(facts: ClusterFacts) -> Iterable[Sighting]:
    """Parts of the control plane that an upgrade has reached, beside others that it has not."""
    seen = list(_versions(facts))
    seen += _kubelets_behind(facts, {version.series for _, version in seen})
    if len({version for _, version in seen}) > 1:
        by_version: dict[Version, list[str]] = {}
        for what, version in seen:
            by_version.setdefault(version, []).append(what)
        told = "; ".join(
            f"{version}: {_few(names)}" for version, names in sorted(by_version.items())
        )
        yield Sighting("control plane", told)


def _versions(facts: ClusterFacts) -> Iterator[tuple[str, Version]]:
    """What `kubeadm upgrade` brings to one version, one after the other."""
    for pod in facts.around.control_plane:
        version = image_version(pod.image)
        # etcd has versions of its own.
        if version and pod.component.startswith("kube-"):
            yield f"{pod.component} on {pod.node}", version
    configured = Version.parse(str(facts.around.kubeadm.get("kubernetesVersion") or ""))
    if configured:
        yield "ConfigMap kubeadm-config", configured
    proxy = proxy_version(facts)
    if proxy and (configured or facts.around.control_plane):
        yield DAEMON_SET, proxy


def _kubelets_behind(facts: ClusterFacts, series: set[Version]) -> Iterator[tuple[str, Version]]:
    """Kubelets of control planes, which an upgrade reaches last; a patch release is no matter."""
    for node in facts.nodes if series else ():
        version = Version.parse(node.kubelet)
        if CONTROL_PLANE in node.labels and version and version.series not in series:
            yield f"kubelet on {node.name}", version


def _few(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


KUBESPRAY_CERTIFICATES = "/etc/kubernetes/ssl"
"""kube_cert_dir of kubespray; kubeadm's own is /etc/kubernetes/pki."""
KUBESPRAY_DNS_CACHE = "nodelocaldns"
"""kubespray's name for what Kubernetes' own manifest calls node-local-dns."""


def kubespray(facts: ClusterFacts) -> Iterable[Sighting]:
    """Traces of kubespray, whose next run puts its inventory's mode back."""
    if facts.around.kubeadm.get("certificatesDir") == KUBESPRAY_CERTIFICATES:
        yield Sighting("ConfigMap kubeadm-config", f"certificatesDir: {KUBESPRAY_CERTIFICATES}")
    cache = facts.around.agent(KUBESPRAY_DNS_CACHE)
    if cache:
        yield Sighting(str(cache), "named as kubespray names it")


RULES = (
    Rule(
        code="owner-reverts",
        severity=Severity.BLOCKER,
        looks_at="labels, annotations and managedFields of kube-proxy's ConfigMap and DaemonSet",
        why="its owner would put the old configuration back: sooner or later, node after node",
        remedy="make the change where the owner reads it, or suspend the owner for these objects,"
        " then waive this",
        source="documentation of Argo CD, Flux, Helm, addon-manager and Terraform's provider",
        judge=owner,
    ),
    Rule(
        code="kubeadm-upgrade",
        severity=Severity.BLOCKER,
        looks_at="images of the control plane's pods and its kubelets, kubernetesVersion in"
        " kubeadm-config, and the image of kube-proxy",
        why="an upgrade is under way, or was left half-way: kubeadm rewrites kube-proxy's DaemonSet"
        " at its end, which undoes a hold on restarts and changes every node at once",
        remedy="end the upgrade first (`kubeadm upgrade plan` shows what is left); waive this where"
        " the versions differ on purpose",
        source="measured, kubeadm 1.36.2: OnDelete became RollingUpdate",
        judge=upgrade_under_way,
    ),
    Rule(
        code="kubespray-traces",
        severity=Severity.WARNING,
        looks_at="certificatesDir in kubeadm-config; DaemonSet nodelocaldns",
        why="kubespray runs `kubeadm init phase addon kube-proxy` with its inventory's mode after"
        " each upgrade, and its default is ipvs: it would put ipvs back",
        remedy="set kube_proxy_mode: nftables in the inventory before its next run",
        source="kubespray source, roles/kubernetes/control-plane and roles/kubespray_defaults",
        judge=kubespray,
    ),
)
