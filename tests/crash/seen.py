"""A lab cluster as it is, looked at from outside: by the API and in the lab's kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from nftwave import ledger
from nftwave.drain import CORDONED
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.kube.daemonset import read_daemon_set
from nftwave.kube.objects import KUBE_PROXY, KUBE_SYSTEM
from nftwave.kube.resources import CONFIG_MAPS, LEASES, NODES

if TYPE_CHECKING:
    from nftwave.lab.launch import Lab
    from nftwave.ledger import Ledger


@dataclass(frozen=True)
class Seen:
    """One cluster at one moment.

    Attributes:
        modes: what each node's kube-proxy runs; None while none runs.
        pods: uid of each node's kube-proxy.
        cordoned: nodes to which no pods may come.
        marked: nodes that carry our annotation.
        holder: whom the lock names, empty where nobody.
    """

    config: dict[str, str]
    spec: dict[str, Any]
    modes: dict[str, str | None]
    pods: dict[str, str]
    cordoned: frozenset[str]
    marked: frozenset[str]
    holder: str
    ledger: Ledger | None


def see(lab: Lab) -> Seen:
    """Look at the lab's cluster now."""
    gateway = connect(load_fleet(lab.fleet_file).cluster("lab-1"))
    try:
        nodes = gateway.list(NODES).items
        lease = gateway.find(LEASES, ledger.NAME, KUBE_SYSTEM)
        config = gateway.get(CONFIG_MAPS, KUBE_PROXY, KUBE_SYSTEM)["data"]
        spec = read_daemon_set(gateway)["spec"]
        entry = ledger.read(gateway)
    finally:
        gateway.close()
    state = lab.state()["clusters"]["lab-1"]["nodes"]
    names = {node["metadata"]["name"]: node for node in nodes}
    return Seen(
        config=dict(config),
        spec=dict(spec),
        modes={name: node["mode"] for name, node in state.items()},
        pods={name: (node["kubeProxy"] or {}).get("uid", "") for name, node in state.items()},
        cordoned=frozenset(n for n, node in names.items() if node["spec"].get("unschedulable")),
        marked=frozenset(
            n
            for n, node in names.items()
            if CORDONED in (node["metadata"].get("annotations") or {})
        ),
        holder=(lease or {}).get("spec", {}).get("holderIdentity") or "",
        ledger=entry,
    )


def write_policy(lab: Lab, policy: dict[str, Any]) -> None:
    """Have the lab's fleet file say that."""
    yaml = YAML()
    fleet = yaml.load(lab.fleet_file)
    fleet["policy"] = policy
    yaml.dump(fleet, lab.fleet_file)
