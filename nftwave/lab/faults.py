"""Faults to inject: names, what each does, and whether it is a node's or an API server's."""

from __future__ import annotations

from nftwave.lab.api.faults import API_FAULTS

NODE_FAULTS = {
    "crashloop": "kube-proxy dies right after its start in nftables mode, whatever the node has",
    "host-key-changed": "the node shows another SSH host key than the one in known_hosts",
    "image-pull": "the image of new pods cannot be pulled: ErrImagePull, ImagePullBackOff",
    "image-without-nft": "kube-proxy's image has no nft: it wipes ipvs, then crash-loops",
    "never-syncs": "kube-proxy in nftables mode looks well, and its tables never come",
    "nft-missing": "no nft in kube-proxy's image, and none on the node",
    "node-not-ready": "the kubelet is silent: Ready is Unknown, pods neither start nor end",
    "old-kernel": "Linux 5.10, on which kube-proxy's nftables mode does not run",
    "slow-sync": "kube-proxy's first sync takes ten times as long",
    "ssh-hangs": "SSH takes connections and says nothing",
    "ssh-refused": "nobody listens on the SSH port",
}
FAULTS = NODE_FAULTS | dict(API_FAULTS)


class UnknownFaultError(ValueError):
    """No such fault, cluster or node; the text says what there is."""


def check(node: str, name: str) -> None:
    """Raise UnknownFaultError if the fault is none, or not one of that target (`-`: the API)."""
    if name not in FAULTS:
        raise UnknownFaultError(f"no fault {name!r}: there are {', '.join(sorted(FAULTS))}")
    if name in API_FAULTS and node != "-":
        raise UnknownFaultError(f"{name} is a fault of the API server: its node is -")
    if name in NODE_FAULTS and node == "-":
        raise UnknownFaultError(f"{name} is a fault of a node: name the node instead of -")
