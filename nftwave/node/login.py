"""Logging in: one key after another, and in words which were tried when none was accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import paramiko

from nftwave.errors import Unreachable
from nftwave.node.host import Access, host_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.node.deadline import Deadline
    from nftwave.node.identities import Identity, Offer


class HungUpBetweenKeys(Unreachable):
    """The server hung up though there are keys that it has not judged yet."""


def log_in(
    access: Access, transport: paramiko.Transport, keys: Offer, deadline: Deadline, tried: list[str]
) -> None:
    """Log in with the keys on offer; `tried` names those that other connections offered already.

    Raises:
        HungUpBetweenKeys: connect again, and go on with the keys that `tried` does not name.
        Unreachable: no key was accepted; says which were tried.
    """
    if _let_in(access, transport, keys.identities, deadline, tried):
        return
    said = [f"tried {', '.join(tried)}" if tried else "there was no key to try"]
    said += [f"could not use {reason}" for reason in keys.unusable]
    raise Unreachable(
        f"{host_port(access.host, access.port)}: not let in as {access.user}: {'; '.join(said)}",
        node=access.node,
        next_step=f"check ssh.user and ssh.identity_file, or what `ssh -v {access.user}@"
        f"{access.host}` says",
    )


def _let_in(
    access: Access,
    transport: paramiko.Transport,
    identities: Sequence[Identity],
    deadline: Deadline,
    tried: list[str],
) -> bool:
    """Offer the keys that `tried` does not name, one after another; add each to it."""
    left = [identity for identity in identities if identity.name not in tried]
    for number, identity in enumerate(left):
        tried.append(identity.name)
        try:
            more = transport.auth_publickey(access.user, identity.key)
        except paramiko.BadAuthenticationType as error:
            more = error.allowed_types
        except paramiko.AuthenticationException as error:
            # paramiko calls it so too when the deadline has closed the connection.
            if deadline.expired:
                raise
            if transport.is_active():
                continue
            # MaxAuthTries; or asyncssh, whose server answers one key of paramiko's only.
            if number > 0:
                tried.pop()
                raise HungUpBetweenKeys("") from error
            return False
        if more:
            tried.append(f"the server then asks for {' and '.join(more)}")
        return not more
    return False
