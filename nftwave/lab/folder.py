"""The files of a lab's folder: fleet file, kubeconfigs, SSH identity, known_hosts, ssh_config."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import asyncssh

    from nftwave.lab.addresses import Plan
    from nftwave.lab.cluster.cluster import Cluster
    from nftwave.lab.node.sshd import NodeSshd

FLEET, IDENTITY, KNOWN_HOSTS, SSH_CONFIG = "fleet.yaml", "id_ed25519", "known_hosts", "ssh_config"
LOG, STATE = "lab.log", "lab.json"


def private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def write(
    directory: Path,
    clusters: Mapping[str, Cluster],
    servers: Mapping[str, NodeSshd],
    identity: asyncssh.SSHKey,
    plan: Plan,
) -> None:
    """Write them all."""
    for name, cluster in clusters.items():
        private(directory / f"{name}.kubeconfig", cluster.kubeconfig())
    private(directory / IDENTITY, identity.export_private_key().decode())
    public = identity.export_public_key().decode()
    (directory / f"{IDENTITY}.pub").write_text(public, encoding="utf-8")
    known = [
        f"[{server.node.address}]:{server.port} "
        f"{server.host_key.convert_to_public().export_public_key().decode().strip()}\n"
        for server in servers.values()
    ]
    (directory / KNOWN_HOSTS).write_text("".join(known), encoding="utf-8")
    (directory / SSH_CONFIG).write_text(_ssh_config(directory, servers), encoding="utf-8")
    (directory / FLEET).write_text(_fleet(list(clusters), plan), encoding="utf-8")


def _fleet(clusters: list[str], plan: Plan) -> str:
    lines = ["# Written by nftwave lab. Paths are relative to this file.", "clusters:"]
    for name in clusters:
        lines += [
            f"  - name: {name}",
            f"    kubeconfig: {name}.kubeconfig",
            f"    context: {name}",
            '    labels: {lab: "true"}',
        ]
    lines += ["ssh:", "  user: lab"]
    if plan.ssh_port:
        lines.append(f"  port: {plan.ssh_port}")
    else:
        lines.append(f"  config: {SSH_CONFIG}")
    lines += [
        f"  identity_file: {IDENTITY}",
        f"  known_hosts: {KNOWN_HOSTS}",
        "  sudo: true",
        f"  address: {'InternalIP' if plan.ssh_port else 'Hostname'}",
        "policy:",
        "  batches: {soak: 1}  # seconds; the default is meant for real clusters",
    ]
    return "\n".join(lines) + "\n"


def _ssh_config(directory: Path, servers: Mapping[str, NodeSshd]) -> str:
    lines = ["# Written by nftwave lab: ssh -F THIS-FILE NODE"]
    for name, server in servers.items():
        lines += [f"Host {name}", f"    HostName {server.node.address}", f"    Port {server.port}"]
    lines += [
        "Host *",
        "    User lab",
        f'    IdentityFile "{directory.absolute() / IDENTITY}"',
        "    IdentitiesOnly yes",
        f'    UserKnownHostsFile "{directory.absolute() / KNOWN_HOSTS}"',
        "    StrictHostKeyChecking yes",
    ]
    return "\n".join(lines) + "\n"
