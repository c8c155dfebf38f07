"""Who listens on a node, as `ss -l` works it out from /proc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nftwave.lab.shell.files import Files

LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens; `holder` as ss prints it, empty where nobody may see it."""

    address: str
    port: int
    holder: str


def listeners(files: Files, *, root: bool) -> Iterator[Listener]:
    """All of them."""
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in files.read(path, root=root).splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                address, _, port = fields[1].partition(":")
                holder = _holder(files, fields[9]) if root else ""
                yield Listener(_shown(address), int(port, 16), holder)


def _shown(address: str) -> str:
    """The address of a row; the kernel prints it in the order of the machine's bytes."""
    if len(address) > 8:
        return "*"
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))


def _holder(files: Files, inode: str) -> str:
    for path in files.matching("/proc/[0-9]*/fd/*"):
        if files.link(path) == f"socket:[{inode}]":
            found = re.fullmatch(r"/proc/(\d+)/fd/(\d+)", path)
            name = files.read(f"/proc/{found[1]}/comm", root=True).strip() if found else ""
            return f'users:(("{name}",pid={found[1]},fd={found[2]}))' if found else ""
    return ""
