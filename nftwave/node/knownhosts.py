"""Host keys: what known_hosts files say, and the judgement on the key that a host presents.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names with wildcards and negation,
`[host]:port`, hashed names, and the markers `@revoked` and `@cert-authority`. Nothing is ever added
to a file.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import functools
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.errors import Unreachable
from nftwave.node.host import Access, host_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_DEFAULT_PORT = 22
# One RSA key serves several signature algorithms (RFC 8332).
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known_hosts file."""

    names: str
    kind: str
    blob: bytes
    marker: str
    place: str

    def is_for(self, name: str) -> bool:
        """Whether this line speaks of `name`, which is `host`, `[host]:port` or an alias."""
        if self.names.startswith("|1|"):
            return _hashed(self.names, name)
        matched = False
        for pattern in self.names.lower().split(","):
            if fnmatch.fnmatchcase(name, pattern.removeprefix("!").replace("[", "[[]")):
                if pattern.startswith("!"):
                    return False
                matched = True
        return matched


def fingerprint(blob: bytes) -> str:
    """As `ssh-keygen -l` prints it: `SHA256:…`."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii")
    return f"SHA256:{digest.rstrip('=')}"


def known_keys(access: Access) -> tuple[KnownKey, ...]:
    """The lines that speak of this host, `[host]:port` before the bare name, as ssh looks them up.

    Raises:
        Unreachable: a file is there but cannot be read.
    """
    lines = [line for file in access.known_hosts for line in _read(access, file)]
    for name in _names(access):
        if found := tuple(line for line in lines if line.is_for(name)):
            return found
    return ()


def algorithms(known: Iterable[KnownKey], offered: Sequence[str]) -> tuple[str, ...]:
    """Host key algorithms to negotiate: first those that known_hosts has keys for.

    A host with several keys would otherwise present one that no line names, and look changed.
    """
    first = [
        algorithm
        for key in known
        if not key.marker
        for algorithm in _ALGORITHMS.get(key.kind, (key.kind,))
        if algorithm in offered
    ]
    return tuple(dict.fromkeys([*first, *offered]))


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


def _names(access: Access) -> tuple[str, ...]:
    if access.host_key_alias:
        return (access.host_key_alias.lower(),)
    host = access.host.lower()
    if access.port == _DEFAULT_PORT:
        return (host,)
    return (f"[{host}]:{access.port}", host)


def _hashed(names: str, name: str) -> bool:
    try:
        salt, expected = (base64.b64decode(part) for part in names.split("|")[2:4])
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), expected)


def _read(access: Access, file: Path) -> tuple[KnownKey, ...]:
    try:
        stat = file.stat()
        return _parsed(file, stat.st_mtime_ns, stat.st_size)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise Unreachable(f"cannot read {file}: {error.strerror}", node=access.node) from error


# A fleet's file is read once, not once a host; time and size tell whether it is still the same.
@functools.lru_cache(maxsize=32)
def _parsed(file: Path, _changed: int, _size: int) -> tuple[KnownKey, ...]:
    found = []
    text = file.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (ValueError, binascii.Error):
            continue
        found.append(KnownKey(words[0], words[1], blob, marker, f"{file}:{number}"))
    return tuple(found)
