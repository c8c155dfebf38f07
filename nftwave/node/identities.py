"""The keys to log in with: private key files, and those an SSH agent holds."""

from __future__ import annotations

import base64
import functools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import paramiko
from paramiko.pkey import UnknownKeyType

from nftwave.node.knownhosts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nftwave.node.host import Access


@dataclass(frozen=True, slots=True)
class Identity:
    """One key to offer, and what to call it in messages; never any of the key itself."""

    key: paramiko.PKey
    name: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What there is to offer, in order, and what could not be used and why."""

    identities: tuple[Identity, ...]
    unusable: tuple[str, ...]


@contextmanager
def offer(access: Access) -> Iterator[Offer]:
    """The keys for one login: the agent's that match the files, the files, the agent's others.

    Servers hang up after a few wrong keys (MaxAuthTries, 6), so the likely ones go first.
    """
    agent, unusable = _agent(access)
    try:
        held = agent.get_keys() if agent else ()
        public = [_public(path) for path in access.identity_files]
        matching = [key for key in held if key.asbytes() in public]
        files, spoilt = _files(access, {key.asbytes() for key in matching})
        others = [] if access.identities_only else [key for key in held if key not in matching]
        yield Offer(
            (*_named(matching), *files, *_named(others)),
            (*unusable, *spoilt),
        )
    finally:
        if agent:
            agent.close()


def _agent(access: Access) -> tuple[paramiko.Agent | None, tuple[str, ...]]:
    if not access.agent:
        return None, ()
    try:
        return paramiko.Agent(), ()
    except (paramiko.SSHException, OSError) as error:
        return None, (f"the SSH agent: {error}",)


def _named(keys: list[paramiko.AgentKey]) -> Iterator[Identity]:
    for key in keys:
        yield Identity(key, f"{key.comment or key.get_name()} {fingerprint(key.asbytes())} (agent)")


def _files(access: Access, held: set[bytes]) -> tuple[list[Identity], list[str]]:
    usable: list[Identity] = []
    unusable: list[str] = []
    for path in access.identity_files:
        try:
            loaded = _load(path, path.stat().st_mtime_ns)
        except OSError as error:
            unusable.append(f"{path}: {error.strerror}")
            continue
        if isinstance(loaded, paramiko.PKey):
            if loaded.asbytes() not in held:
                usable.append(Identity(loaded, str(path)))
        elif _public(path) not in held:
            unusable.append(f"{path}: {loaded}")
    return usable, unusable


# Reading an RSA key costs tens of milliseconds of checking; a fleet uses the same one.
@functools.lru_cache(maxsize=32)
def _load(path: Path, _changed: int) -> paramiko.PKey | str:
    try:
        return paramiko.PKey.from_path(path)
    # The crypto library says TypeError for a missing passphrase.
    except (paramiko.PasswordRequiredException, TypeError):
        return "is encrypted: add it to an SSH agent (ssh-add) and set SSH_AUTH_SOCK"
    except (paramiko.SSHException, UnknownKeyType, ValueError) as error:
        return f"not a private key that can be used: {error}"


def _public(path: Path) -> bytes | None:
    """The public half beside a private key file, for finding it among an agent's keys."""
    try:
        text = path.with_name(f"{path.name}.pub").read_text(encoding="utf-8")
        return base64.b64decode(text.split()[1])
    except (OSError, ValueError, IndexError):
        return None
