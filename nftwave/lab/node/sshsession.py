"""One SSH session on a node: a shell between the channel's streams."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncssh

from nftwave.lab.shell.flow import BASH
from nftwave.lab.shell.interpreter import Shell
from nftwave.lab.shell.process import Call, Session
from nftwave.lab.shell.streams import BrokenPipe

if TYPE_CHECKING:
    from nftwave.lab.node.node import SimNode

USER = "lab"
HOME = f"/home/{USER}"
USER_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/games"  # Debian's for a command over SSH


class Incoming:
    """Standard input of a session."""

    def __init__(self, process: asyncssh.SSHServerProcess[str]) -> None:
        self._reader = process.stdin

    async def read(self) -> str:
        """What came, or wait; empty at the end."""
        try:
            return await self._reader.read(65536)
        except asyncssh.SignalReceived:
            return ""

    async def readline(self) -> str:
        """One line."""
        try:
            return await self._reader.readline()
        except asyncssh.SignalReceived:
            return ""


class Outgoing:
    """Standard output or error of a session."""

    def __init__(self, writer: asyncssh.SSHWriter[str]) -> None:
        self._writer = writer

    async def write(self, text: str) -> None:
        """Send; waits while the client does not read."""
        try:
            self._writer.write(text)
            await self._writer.drain()
        except (BrokenPipeError, ConnectionError, asyncssh.Error) as error:
            raise BrokenPipe from error


async def serve(node: SimNode, process: asyncssh.SSHServerProcess[str]) -> None:
    """One exec channel, or an interactive shell; its processes end with the channel."""
    node.ssh_commands += 1
    session = Session(node)
    work = asyncio.ensure_future(_run(process, session))
    closed = asyncio.ensure_future(process.wait_closed())
    await asyncio.wait({work, closed}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        session.end()
        work.cancel()
    closed.cancel()


async def _run(process: asyncssh.SSHServerProcess[str], session: Session) -> None:
    environment = {
        "HOME": HOME,
        "USER": USER,
        "LOGNAME": USER,
        "SHELL": "/bin/bash",
        "PATH": USER_PATH,
        "PWD": HOME,
    }
    login = Call(
        session,
        "bash",
        [],
        environment,
        HOME,
        False,
        Incoming(process),
        Outgoing(process.stdout),
        Outgoing(process.stderr),
    )
    shell = Shell(login, BASH)
    if process.command is None:
        status = await _interact(process, shell)
    else:
        started = session.start(shell.run(process.command), pid=shell.pid)
        started.on_signal = shell.trapped
        status = await started.ended()
    # As sshd: the channel stays until nobody has its streams.
    open_streams = {id(shell.streams[fd]) for fd in (1, 2) if fd in shell.streams}
    holders = [one.task for one in session.processes if one.holds & open_streams]
    if holders:
        await asyncio.wait(holders)
    process.exit(status)


async def _interact(process: asyncssh.SSHServerProcess[str], shell: Shell) -> int:
    """A prompt for people; asyncssh edits the line."""
    prompt = f"{USER}@{shell.session.machine.hostname}:~$ "
    while True:
        if process.term_type:
            process.stdout.write(prompt)
        line = await shell.streams[0].readline()  # type: ignore[union-attr]
        if not line or line.strip() == "exit":
            return shell.status
        await shell.run(line)
