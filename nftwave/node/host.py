"""How one host is reached, once fleet file, ssh config and Node object have been read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Ssh(Protocol):
    """The `ssh` part of the fleet file, as this package reads it."""

    @property
    def user(self) -> str | None:
        """Whom to log in as; None: ssh config, else the local user."""

    @property
    def port(self) -> int | None:
        """TCP port; None: ssh config, else 22."""

    @property
    def identity_file(self) -> Path | None:
        """Private key; None: ssh config, else the usual files."""

    @property
    def agent(self) -> bool:
        """Whether to offer an SSH agent's keys."""

    @property
    def jump(self) -> Sequence[str]:
        """Jump hosts in order, each `[user@]host[:port]`; empty: ssh config."""

    @property
    def known_hosts(self) -> Path | None:
        """Host keys to trust; None: ssh config, else the usual files."""

    @property
    def sudo(self) -> bool:
        """Become root through `sudo -n`."""

    @property
    def address(self) -> str:
        """A kind of Node address, or a template such as `{name}.example.org`."""

    @property
    def config(self) -> Path | None:
        """The ssh config; None: `~/.ssh/config` where there is one."""


@dataclass(frozen=True, slots=True)
class Access:
    """One host's resolved SSH access.

    Attributes:
        node: the name used in messages: the Node's, or a jump host's own.
        host: address or name that TCP connects to.
        port: TCP port of its SSH server.
        user: whom to log in as.
        identity_files: private keys to offer, in order.
        identities_only: of an agent's keys, offer only those of `identity_files`.
        agent: whether to ask an SSH agent at all.
        known_hosts: the files that host keys are verified against.
        host_key_alias: the name to look up there instead of host and port.
        jumps: the hosts in between, nearest to us first; their own `jumps` are empty.
        sudo: run commands through `sudo -n` where `user` is not root.
        connect_timeout: seconds for connecting and logging in, of a longer deadline.
    """

    node: str
    host: str
    port: int = 22
    user: str = "root"
    identity_files: tuple[Path, ...] = ()
    identities_only: bool = False
    agent: bool = True
    known_hosts: tuple[Path, ...] = ()
    host_key_alias: str | None = None
    jumps: tuple[Access, ...] = ()
    sudo: bool = False
    connect_timeout: float | None = None

    def __str__(self) -> str:
        return f"{self.user}@{host_port(self.host, self.port)}"

    def behind(self, jumps: tuple[Access, ...]) -> Access:
        """The same host, reached through `jumps`."""
        return replace(self, jumps=jumps)


def host_port(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
