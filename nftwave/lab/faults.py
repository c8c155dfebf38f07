"""Faults to inject: names, what each does, and whether it is a node's or the cluster's."""

from __future__ import annotations

from nftwave.lab.api.faults import API_FAULTS, is_api_fault, parse
from nftwave.lab.cluster.mischief import CLUSTER_FAULTS, CONTROL_PLANE_FAULTS
from nftwave.lab.manifests.nodes import CONTROL_PLANE_NAME

NODE_FAULTS = {
    "always-busy": "200 more established connections through ipvs, as long as the fault is there",
    "busy": "200 more established connections through ipvs, which end within 20 seconds",
    "conntrack-full": "the connection table is 98 % full",
    "crashloop": "kube-proxy dies right after its start in nftables mode, whatever the node has",
    "early-flip": "kube-proxy is killed and starts again by itself once the ConfigMap has changed",
    "foreign-ipvs": "a virtual server of keepalived, 192.0.2.10:80; the change wipes it",
    "half-services": "the tables hold only half of the Services",
    "host-key-changed": "the node shows another SSH host key than the one in known_hosts",
    "image-pull": "the image of new pods cannot be pulled: ErrImagePull, ImagePullBackOff",
    "image-without-nft": "kube-proxy's image has no nft: it wipes ipvs, then crash-loops",
    "ipvs-empty": "back in ipvs mode all says that it is well, and no virtual server comes",
    "ipvs-left": "the change leaves ipvs, its virtual servers and kube-ipvs0 beside the tables",
    "log-without-tables": "log, metrics and health say that all is well, and no table is there",
    "map-keys-missing": "the ClusterIP of default/kubernetes is missing in the tables",
    "never-syncs": "kube-proxy in nftables mode looks well, and its tables never come",
    "nft-missing": "no nft in kube-proxy's image, and none on the node",
    "no-endpoint-lie": "the tables say that default/echo has no endpoints, and it has",
    "node-not-ready": "the kubelet is silent: Ready is Unknown, pods neither start nor end",
    "old-kernel": "Linux 5.10, on which kube-proxy's nftables mode does not run",
    "one-family-missing": "the table of IPv6 is missing, and the metrics say it was synced",
    "other-process": "another, older kube-proxy made the tables and answers on port 10249",
    "ready-without-rules": "the pod is Ready, and kube-proxy hangs after the wipe without a word",
    "slow-sync": "kube-proxy's first sync takes ten times as long",
    "ssh-hangs": "SSH takes connections and says nothing",
    "ssh-refused": "nobody listens on the SSH port",
    "stale-tables": "the tables are those of a dead kube-proxy; the one that runs never syncs",
    "tables-stay": "back in ipvs mode kube-proxy's nftables tables stay beside ipvs",
    "tables-without-services": "the tables are there, and their maps are empty",
}
FAULTS = NODE_FAULTS | CLUSTER_FAULTS | CONTROL_PLANE_FAULTS | dict(API_FAULTS)


class UnknownFaultError(ValueError):
    """No such fault, cluster or node; the text says what there is."""


def check(node: str, name: str) -> None:
    """Raise UnknownFaultError if the fault is none, or not one of that target (`-`: no node)."""
    if is_api_fault(name):
        try:
            parse(name)
        except ValueError as error:
            raise UnknownFaultError(str(error)) from error
        if node != "-":
            raise UnknownFaultError(f"{name} is a fault of the API server: its node is -")
        return
    if name not in FAULTS:
        raise UnknownFaultError(f"no fault {name!r}: there are {', '.join(sorted(FAULTS))}")
    if name in CLUSTER_FAULTS and node != "-":
        raise UnknownFaultError(f"{name} is a fault of the whole cluster: its node is -")
    if name in NODE_FAULTS and node == "-":
        raise UnknownFaultError(f"{name} is a fault of a node: name the node instead of -")
    if name in CONTROL_PLANE_FAULTS and node != "-" and CONTROL_PLANE_NAME not in node:
        raise UnknownFaultError(f"{name} is a fault of a control plane: name one, or -")
