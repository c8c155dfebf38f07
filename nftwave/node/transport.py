"""One verified, authenticated SSH connection, made stage by stage.

paramiko's own SSHClient is not used: it looks at one known_hosts format only, cannot say which
stage was reached, and its deadlines do not cover all of them.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import paramiko

from nftwave.errors import Unreachable
from nftwave.node import hostkey, knownhosts
from nftwave.node.host import Access, host_port
from nftwave.node.identities import offer
from nftwave.node.login import HungUpBetweenKeys, log_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nftwave.node.deadline import Deadline
    from nftwave.node.knownhosts import KnownKey

# What goes wrong is raised as Unreachable, once; paramiko's thread would print tracebacks as well.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

FOREIGN = (paramiko.SSHException, OSError, EOFError)
"""What paramiko and sockets raise."""
_FIRST_PAUSE = 0.2  # seconds
_LAST_PAUSE = 3.0


@dataclass(slots=True)
class Stage:
    """What is being waited for, in words that complete "timed out while …"."""

    doing: str


class _DroppedBeforeBanner(Unreachable):
    """The server hung up before it said anything: sshd's MaxStartups does so under a burst."""


@contextmanager
def stages(access: Access, deadline: Deadline) -> Iterator[Stage]:
    """Inside this block foreign exceptions become Unreachable that says which stage was reached."""
    stage = Stage("connecting")
    try:
        yield stage
    except FOREIGN as error:
        where = host_port(access.host, access.port)
        if deadline.expired or (isinstance(error, TimeoutError) and not error.errno):
            what = f"{where}: no answer within {deadline.seconds:g} s, while {stage.doing}"
        else:
            what = f"{where}: {_words(error)}, while {stage.doing}"
        raise Unreachable(what, node=access.node) from error


def connect_tcp(access: Access, deadline: Deadline) -> socket.socket:
    """A TCP connection to the host itself.

    Raises:
        Unreachable: refused, no route, no such name, or no answer in time.
    """
    with stages(access, deadline) as stage:
        stage.doing = "connecting (TCP)"
        connected = socket.create_connection(
            (access.host, access.port), timeout=max(deadline.remaining(), 0.001)
        )
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected


def secure(
    access: Access,
    dial: Callable[[Deadline], socket.socket | paramiko.Channel],
    deadline: Deadline,
) -> paramiko.Transport:
    """A connection that `dial` makes, with the host's key verified and logged in.

    Dials again when the server hangs up before its banner, or between two keys that we offer.

    Raises:
        Unreachable: what keeps us out, in words for people.
    """
    pause = _FIRST_PAUSE
    tried: list[str] = []
    while True:
        try:
            return _secured(access, dial(deadline), deadline, tried)
        except HungUpBetweenKeys:
            continue
        except _DroppedBeforeBanner:
            if pause > _LAST_PAUSE or deadline.remaining() < pause:
                raise
        # Spread out, or the burst that was dropped comes again.
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
        pause *= 2


def _secured(
    access: Access, sock: socket.socket | paramiko.Channel, deadline: Deadline, tried: list[str]
) -> paramiko.Transport:
    try:
        known = knownhosts.known_keys(access)
        with stages(access, deadline) as stage:
            transport = paramiko.Transport(sock)
            with deadline.closes(transport):
                _handshake(access, transport, known, deadline, stage)
                stage.doing = f"logging in as {access.user}"
                with offer(access) as keys:
                    log_in(access, transport, keys, deadline, tried)
    except BaseException:
        sock.close()
        raise
    return transport


def _handshake(
    access: Access,
    transport: paramiko.Transport,
    known: tuple[KnownKey, ...],
    deadline: Deadline,
    stage: Stage,
) -> None:
    # The deadline closes the transport; paramiko's own limits must not come first.
    transport.banner_timeout = transport.handshake_timeout = deadline.remaining() + 1
    transport.auth_timeout = deadline.remaining() + 1
    security = transport.get_security_options()
    security.key_types = knownhosts.algorithms(known, security.key_types)
    stage.doing = "waiting for its SSH banner (TCP is connected)"
    try:
        transport.start_client()
    except FOREIGN as error:
        if transport.remote_version:
            stage.doing = "exchanging keys"
        elif not deadline.expired:
            where = host_port(access.host, access.port)
            raise _DroppedBeforeBanner(
                f"{where}: the server hung up before its SSH banner",
                node=access.node,
                next_step="if many connect at once, see MaxStartups in its sshd_config",
            ) from error
        raise
    key = transport.get_remote_server_key()
    hostkey.verify(access, known, key.get_name(), key.asbytes())


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused (is sshd running, is this the right port?)"
    if isinstance(error, socket.gaierror):
        return f"no such host name ({error.strerror})"
    if isinstance(error, EOFError | ConnectionResetError | BrokenPipeError):
        return "the connection was lost"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error).rstrip(".") or type(error).__name__
