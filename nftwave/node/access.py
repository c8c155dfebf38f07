"""From the fleet file and a Node object to `Access`.

The fleet file wins over the ssh config, the ssh config over the defaults of ssh.
"""

from __future__ import annotations

import getpass
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nftwave.errors import BadInput
from nftwave.node.addresses import address_of
from nftwave.node.host import Access, Ssh
from nftwave.node.sshconfig import SshConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_JUMP = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:@\[\]]+))(?::(?P<port>\d+))?"
)
_DEFAULT_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa")
_KNOWN_HOSTS = {
    "userknownhostsfile": "~/.ssh/known_hosts ~/.ssh/known_hosts2",
    "globalknownhostsfile": "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",
}
_HIGHEST_PORT = 65535

__all__ = ["Access", "Ssh", "resolve"]


def resolve(ssh: Ssh, node: Mapping[str, Any]) -> Access:
    """The access to one Node, an object as the API gives it.

    Raises:
        BadInput: the Node has no such address, or the ssh config cannot be honoured.
    """
    config = SshConfig.load(ssh.config)
    address = address_of(node, ssh.address)
    name = str(node["metadata"]["name"])
    found = _host(ssh, config, address, node=name, user=ssh.user, port=ssh.port)
    configured = _text(config.options(address), "proxyjump")
    return found.behind(_hops(ssh, config, list(ssh.jump) or _split(configured), seen=()))


def _host(
    ssh: Ssh,
    config: SshConfig,
    alias: str,
    *,
    node: str,
    user: str | None,
    port: int | None,
) -> Access:
    options = config.options(alias)
    files = [str(ssh.known_hosts)] if ssh.known_hosts else _known_hosts(options)
    return Access(
        node=node,
        host=_text(options, "hostname") or alias,
        port=port or _port(_text(options, "port") or "22", str(config.file)),
        user=user or _text(options, "user") or getpass.getuser(),
        identity_files=_identities(ssh, options),
        identities_only=ssh.identity_file is None and _text(options, "identitiesonly") == "yes",
        agent=ssh.agent and _text(options, "identityagent") != "none",
        known_hosts=tuple(Path(file).expanduser() for file in files),
        host_key_alias=_text(options, "hostkeyalias"),
        sudo=ssh.sudo,
        connect_timeout=_seconds(_text(options, "connecttimeout")),
    )


def _hops(
    ssh: Ssh, config: SshConfig, jumps: Sequence[str], seen: tuple[str, ...]
) -> tuple[Access, ...]:
    """The chain of jump hosts; the first one's own ProxyJump goes before it, as ssh does it."""
    if not jumps:
        return ()
    if jumps[0] in seen:
        raise BadInput(f"jump hosts in a circle: {' -> '.join([*seen, jumps[0]])}", field="jump")
    hops = tuple(
        _host(ssh, config, alias, node=alias, user=user, port=port)
        for user, alias, port in map(_jump, jumps)
    )
    before = _split(_text(config.options(_jump(jumps[0])[1]), "proxyjump"))
    return (*_hops(ssh, config, before, (*seen, jumps[0])), *hops)


def _jump(text: str) -> tuple[str | None, str, int | None]:
    """User, host and port of `[user@]host[:port]`, what is not given as None."""
    if not (found := _JUMP.fullmatch(text.removeprefix("ssh://"))):
        raise BadInput(f"found {text!r}, allowed: [user@]host[:port]", field="jump")
    port = _port(found["port"], text) if found["port"] else None
    return found["user"], found["v6"] or found["host"], port


def _split(value: str | None) -> list[str]:
    if value is None or value.lower() == "none":
        return []
    return [part.strip() for part in value.split(",") if part.strip()]


def _identities(ssh: Ssh, options: Mapping[str, str | list[str]]) -> tuple[Path, ...]:
    if ssh.identity_file is not None:
        return (ssh.identity_file.expanduser(),)
    if configured := options.get("identityfile"):
        return tuple(Path(file.strip('"')).expanduser() for file in configured if file != "none")
    usual = (Path("~/.ssh").expanduser() / name for name in _DEFAULT_IDENTITIES)
    return tuple(path for path in usual if path.is_file())


def _known_hosts(options: Mapping[str, str | list[str]]) -> list[str]:
    return [
        file
        for key, usual in _KNOWN_HOSTS.items()
        for file in shlex.split(_text(options, key) or usual)
        if file != "none"
    ]


def _port(text: str, place: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= _HIGHEST_PORT:
        raise BadInput(f"found port {text!r}, allowed: 1 to {_HIGHEST_PORT}", file=place)
    return int(text)


def _seconds(text: str | None) -> float | None:
    """A ConnectTimeout; `none` and 0 leave it to the deadline."""
    return float(text) if text is not None and text.isdigit() and int(text) > 0 else None


def _text(options: Mapping[str, str | list[str]], key: str) -> str | None:
    value = options.get(key)
    return value if isinstance(value, str) else None
