"""A migration in batches: what it costs, beside the lab's own minimum for the same rollout.

    python benchmarks/rollout.py [NODES …]        default: 5 100

`nftwave` is the whole flow under its Prefect server (which runs already): preflight, plan, canary,
batches with evidence from each node, final verification; approved by itself, no soaking. `minimum`
is a bare loop on a fresh lab that deletes the same pods in the same batches, as many at a time,
and asks the lab itself whether a node has its rules: nobody could be quicker on this lab without
changing more nodes at a time. Requests are what the lab's API server counted.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from nftwave import ledger
from nftwave.fleet import Cluster, load_fleet
from nftwave.kube import daemonset
from nftwave.kube.connect import connect
from nftwave.kube.objects import KUBE_PROXY, KUBE_PROXY_LABEL, KUBE_SYSTEM, ProxyPod
from nftwave.kube.resources import CONFIG_MAPS, PODS
from nftwave.lab.launch import Lab, running_lab
from nftwave.proxyconfig import to_nftables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.kube.gateway import Gateway

SPEED = 10.0
"""The lab's default: what takes ten seconds on a real node takes one."""
LOOK = 0.05


@dataclass(frozen=True)
class Row:
    """One rollout: seconds of wall time, requests to the API server."""

    wall: float
    requests: int


def main() -> None:
    """Print a table for each size."""
    from flows.server import prefect_api

    sizes = [int(word) for word in sys.argv[1:]] or [5, 100]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()},"
        f" Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}; lab at speed {SPEED:g}"
    )
    with tempfile.TemporaryDirectory() as home, prefect_api(Path(home)):
        for nodes in sizes:
            with lab_of(nodes) as lab:
                found, batches = migrated(lab)
            with lab_of(nodes) as lab:
                least = bare(lab, batches)
            print(f"\n{nodes} nodes, {len(batches)} batches      wall s   requests   a node")
            for name, row in (("nftwave", found), ("minimum", least)):
                each = row.requests / nodes
                print(f"{name:<24} {row.wall:>7.1f} {row.requests:>10} {each:>8.1f}")
            print(f"ratio of wall time: {found.wall / least.wall:.2f}", flush=True)


class lab_of:  # noqa: N801 (a with-block)
    """A lab of one cluster in a folder of its own, its policy without soaking."""

    def __init__(self, nodes: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._lab = running_lab(Path(self._folder.name), nodes=nodes, speed=SPEED)

    def __enter__(self) -> Lab:
        lab = self._lab.__enter__()
        yaml = YAML()
        fleet = yaml.load(lab.fleet_file)
        fleet["policy"] = {"batches": {"soak": 0}}
        yaml.dump(fleet, lab.fleet_file)
        return lab

    def __exit__(self, *ending: object) -> None:
        self._lab.__exit__(None, None, None)
        self._folder.cleanup()


def migrated(lab: Lab) -> tuple[Row, Sequence[Sequence[str]]]:
    """Migrate by our flow; also the batches in which it did so."""
    from flows.running import run_migration

    before, began = requests(lab), time.monotonic()
    outcome = run_migration("lab-1", fleet=lab.fleet_file, approve_by="auto")
    row = Row(time.monotonic() - began, requests(lab) - before)
    assert outcome.status == "done", outcome.words()  # noqa: S101
    entry = ledger.read(connect(cluster_of(lab)))
    assert entry is not None  # noqa: S101
    return row, entry.plan["batches"]


def bare(lab: Lab, batches: Sequence[Sequence[str]]) -> Row:
    """Delete the same pods in the same batches, and wait for nothing but the nodes' rules."""
    cluster = cluster_of(lab)
    gateway = connect(cluster)
    before, began = requests(lab), time.monotonic()
    daemonset.hold(gateway)
    config = dict(gateway.get(CONFIG_MAPS, KUBE_PROXY, KUBE_SYSTEM))
    text = to_nftables(config["data"]["config.conf"], node_port_addresses="keep-reach").text
    gateway.replace(CONFIG_MAPS, {**config, "data": {**config["data"], "config.conf": text}})
    listing = gateway.list(PODS, KUBE_SYSTEM, labels=KUBE_PROXY_LABEL)
    pods = {pod.node: pod for pod in map(ProxyPod.of, listing.items)}
    for batch in batches:
        replace(lab, gateway, [pods[node] for node in batch], cluster.policy.batches.at_once)
    row = Row(time.monotonic() - began, requests(lab) - before)
    gateway.close()
    return row


def replace(lab: Lab, gateway: Gateway, pods: Sequence[ProxyPod], at_once: int) -> None:
    """Delete pods, so many at a time, until every one of their nodes has its rules."""
    left, waiting = list(pods), set[str]()
    while left or waiting:
        while left and len(waiting) < at_once:
            pod = left.pop(0)
            gateway.delete(PODS, pod.name, KUBE_SYSTEM, uid=pod.uid)
            waiting.add(pod.node)
        nodes = state(lab)["nodes"]
        waiting = {node for node in waiting if not synced(nodes[node])}
        if waiting:
            time.sleep(LOOK)


def synced(node: dict[str, Any]) -> bool:
    """Whether the lab says that this node serves its Services by nftables."""
    return node["mode"] == "nftables" and any(node["serviceIps"].values())


def cluster_of(lab: Lab) -> Cluster:
    """The lab's cluster."""
    return load_fleet(lab.fleet_file).cluster("lab-1")


def state(lab: Lab) -> dict[str, Any]:
    """The truth about the lab's cluster."""
    found: dict[str, Any] = lab.state()["clusters"]["lab-1"]
    return found


def requests(lab: Lab) -> int:
    """Requests that the lab's API server has had, looked at from outside the API."""
    found: int = state(lab)["api"]["requestCount"]
    return found


if __name__ == "__main__":
    main()
