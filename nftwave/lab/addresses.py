"""Loopback addresses for a lab: on Linux one a node, elsewhere one for all with a port each."""

from __future__ import annotations

import contextlib
import socket
import sys
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API_PORTS = (6443, 16443, 26443)
SSH_PORTS = (22022, 22122, 22222)
FIRST_BLOCK, BLOCKS = 64, 128  # 127.64.0.0 to 127.191.255.255
HOSTS = 250


class NoAddressError(Exception):
    """No free address block is left on this machine's loopback."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a lab listens. Port 0 stands for any free port.

    Attributes:
        block: the second number of 127.x.0.0/16; None where there is only 127.0.0.1.
    """

    block: int | None
    api_port: int
    ssh_port: int

    def api(self, cluster: int) -> str:
        """The address of the API server of the n-th cluster, from 0."""
        if self.block is None:
            return "127.0.0.1"
        return f"127.{self.block}.0.{cluster + 1}"

    def node(self, place: int) -> str:
        """The address of the n-th node of the lab, from 0."""
        if self.block is None:
            return "127.0.0.1"
        return f"127.{self.block}.{1 + place // HOSTS}.{1 + place % HOSTS}"


def choose(directory: Path) -> Plan:
    """A block where nobody listens yet; several labs may run at once. Raises NoAddressError."""
    if sys.platform != "linux":
        return Plan(None, 0, 0)
    for api_port in API_PORTS:
        for block in _blocks(directory):
            if _free(f"127.{block}.0.1", api_port):
                for ssh_port in SSH_PORTS:
                    if _free(f"127.{block}.1.1", ssh_port):
                        return Plan(block, api_port, ssh_port)
                break
    raise NoAddressError("no free addresses in 127.64.0.0 to 127.191.0.0: too many labs run here")


def _blocks(directory: Path) -> Iterator[int]:
    # Where to begin depends on the folder, so that labs that start together seldom collide.
    start = zlib.crc32(str(directory).encode())
    for step in range(BLOCKS):
        yield FIRST_BLOCK + (start + step) % BLOCKS


def _free(address: str, port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True
