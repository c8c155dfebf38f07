"""Redirections (XCU 2.7)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nftwave.lab.shell import expansion
from nftwave.lab.shell.files import FileError, Files
from nftwave.lab.shell.flow import BASH
from nftwave.lab.shell.language import syntax
from nftwave.lab.shell.process import ConnectError
from nftwave.lab.shell.streams import Content, Sink, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.shell.interpreter import Shell

SOCKET = re.compile(r"/dev/(tcp|udp)/([^/]+)/(\d+)")
Stream = Source | Sink
Streams = dict[int, Stream]
# What dash says instead of strerror.
DASH_MESSAGES = {
    ("open", "No such file or directory"): "No such file",
    ("create", "No such file or directory"): "Directory nonexistent",
}


@dataclass
class FileSink:
    """A file opened for writing."""

    files: Files
    path: str
    root: bool

    async def write(self, text: str) -> None:
        """Append."""
        self.files.write(self.path, text, root=self.root, append=True)


async def redirected(shell: Shell, redirections: Sequence[syntax.Redirection]) -> Streams:
    """The shell's open descriptors with redirections applied. Raises FileError."""
    if not redirections:
        return shell.streams
    streams = dict(shell.streams)
    for redirection in redirections:
        if isinstance(redirection.target, syntax.HereDocument):
            streams[redirection.fd] = Content(await expansion.text(shell, redirection.target.word))
        else:
            target = await expansion.text(shell, redirection.target)
            socket = SOCKET.fullmatch(target) if shell.dialect is BASH else None
            if socket:
                streams[redirection.fd] = await connected(shell, socket)
            else:
                redirect(shell, streams, redirection, target)
    return streams


async def connected(shell: Shell, socket: re.Match[str]) -> Stream:
    """The connection that bash opens for /dev/tcp/HOST/PORT. Raises FileError."""
    protocol, host, port = socket.groups()
    try:
        return await shell.session.machine.connect(protocol, host, int(port))
    except ConnectError as error:
        if "not known" in str(error):
            await shell.complain(f"{host}: {error}")
            raise FileError(f"{socket[0]}: Invalid argument") from error
        await shell.complain(f"connect: {error}")
        raise FileError(f"{socket[0]}: {error}") from error


def redirect(shell: Shell, streams: Streams, redirection: syntax.Redirection, target: str) -> None:
    """Apply one redirection. Raises FileError."""
    if redirection.op in {">&", "<&"}:
        duplicate(streams, redirection.fd, target)
        return
    path = posixpath.normpath(posixpath.join(shell.directory, target))
    standard = ("/dev/stdin", "/dev/stdout", "/dev/stderr")
    if path in standard:
        streams[redirection.fd] = streams[standard.index(path)]
        return
    files = shell.session.machine.files
    reads = redirection.op == "<"
    try:
        if reads:
            streams[redirection.fd] = Content(files.read(path, root=shell.root))
        else:
            files.write(path, "", root=shell.root, append=redirection.op == ">>")
            streams[redirection.fd] = FileSink(files, path, shell.root)
    except FileError as error:
        message = str(error)
        if shell.dialect is BASH:
            raise FileError(f"{target}: {message}") from error
        action = "open" if reads else "create"
        message = DASH_MESSAGES.get((action, message), message)
        raise FileError(f"cannot {action} {target}: {message}") from error


def duplicate(streams: Streams, fd: int, target: str) -> None:
    """`n>&m` and `n>&-`. Raises FileError."""
    if target == "-":
        streams.pop(fd, None)
    elif target.isdigit() and int(target) in streams:
        streams[fd] = streams[int(target)]
    else:
        raise FileError(f"{target}: Bad file descriptor")


def held(item: syntax.AndOr, streams: Streams) -> frozenset[int]:
    """Which of the shell's output streams a background list keeps open.

    A channel stays open until nobody has its streams; a list redirected as a whole lets go.
    """
    fds = {1, 2}
    for _, pipeline in item.links:
        for command in pipeline.commands:
            if not isinstance(command, syntax.Function):
                fds -= {redirection.fd for redirection in command.redirections}
    return frozenset(id(streams[fd]) for fd in fds if fd in streams)
