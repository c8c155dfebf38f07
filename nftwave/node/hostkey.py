"""The judgement on the key that a host presents, and the words for whoever has to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.node.host import Access, host_port
from nftwave.node.knownhosts import KnownKey, fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence


def verify(access: Access, known: Sequence[KnownKey], kind: str, blob: bytes) -> None:
    """Raise unless the presented key is the known one.

    Raises:
        Unreachable: the key is revoked, not the one expected, or not known at all. Says both
            fingerprints, the line that expects another, and what to do.
    """
    shown = f"{kind} {fingerprint(blob)}"
    where = host_port(access.host, access.port)
    same = [key for key in known if key.blob == blob and key.marker != "@cert-authority"]
    for key in same:
        if key.marker == "@revoked":
            raise Unreachable(
                f"the host key of {where} ({shown}) is revoked by {key.place}", node=access.node
            )
    if same:
        return
    expected = [key for key in known if not key.marker]
    if expected:
        lines = ", ".join(f"{k.kind} {fingerprint(k.blob)} ({k.place})" for k in expected)
        raise Unreachable(
            f"the host key of {where} has changed: it presents {shown}, expected is {lines}",
            node=access.node,
            unchanged="nothing was sent to it",
            next_step="find out why: a node that was installed anew, or somebody in between; "
            f"{_compare(kind, shown)}, and only then replace that line",
        )
    raise Unreachable(
        _unknown(access, known, where, shown),
        node=access.node,
        unchanged="nothing was sent to it",
        next_step=f"{_compare(kind, shown)}, and only then add it: ssh-keyscan -t "
        f"{_short(kind)} -p {access.port} {access.host} (ssh-keyscan itself believes whoever "
        "answers)",
    )


def _unknown(access: Access, known: Sequence[KnownKey], where: str, shown: str) -> str:
    files = ", ".join(str(file) for file in access.known_hosts) or "any known_hosts file"
    said = (
        f"the host key of {where} is not known: it presents {shown}, and {files} has no key of it"
    )
    for key in known:
        if key.marker == "@cert-authority":
            return f"{said} ({key.place} names an authority; certificates are not checked here)"
    return said


def _compare(kind: str, shown: str) -> str:
    file = f"/etc/ssh/ssh_host_{_short(kind)}_key.pub"
    return f"compare {shown.split()[1]} with `ssh-keygen -lf {file}` on the host's own console"


def _short(kind: str) -> str:
    return {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(kind, "ecdsa")
