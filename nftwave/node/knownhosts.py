"""What known_hosts files say about a host.

The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": names with wildcards and negation,
`[host]:port`, hashed names, and the markers `@revoked` and `@cert-authority`. Nothing is ever
added to a file.
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from nftwave.node.host import Access

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
