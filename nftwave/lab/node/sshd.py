"""The SSH server of a node. asyncssh: not the implementation that the program uses as a client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import asyncssh

from nftwave.lab.node import sshsession
from nftwave.lab.node.sshsession import USER
from nftwave.lab.proxy.pages import HEALTH_PORT, METRICS_PORT

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from nftwave.lab.node.node import SimNode

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
BACKLOG = 64


class NodeServer(asyncssh.SSHServer):
    """Who may log in, and where connections may be forwarded to."""

    def __init__(self, daemon: NodeSshd) -> None:
        self._daemon = daemon

    def begin_auth(self, username: str) -> bool:
        """Everybody has to show a key."""
        del username
        return True

    def public_key_auth_supported(self) -> bool:
        """Keys are the only way in."""
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """The lab's identity, and only as user lab."""
        return username == USER and key == self._daemon.identity

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool | Callable[..., Coroutine[Any, Any, None]]:
        """A jump to another node, or a look at the node's own HTTP ports."""
        del orig_host, orig_port
        if dest_host in LOOPBACK and dest_port in {METRICS_PORT, HEALTH_PORT}:
            if self._daemon.node.answer(dest_port, "/healthz") is None:
                raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")
            return lambda reader, writer: self._serve_http(dest_port, reader, writer)
        if self._daemon.may_forward(dest_host, dest_port):
            return True
        raise asyncssh.ChannelOpenError(
            asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "only to nodes of this lab"
        )

    async def _serve_http(
        self, port: int, reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
    ) -> None:
        request = await reader.readline()
        while (await reader.readline()).strip():
            pass
        path = request.split()[1].decode() if len(request.split()) > 1 else "/"
        answer = self._daemon.node.answer(port, path)
        if answer:
            writer.write((answer.head() + answer.body).encode())
        writer.close()


class NodeSshd:
    """Listens on the node's address; faults are looked at for each connection."""

    def __init__(
        self,
        node: SimNode,
        *,
        identity: asyncssh.SSHKey,
        host_key: asyncssh.SSHKey,
        may_forward: Callable[[str, int], bool],
    ) -> None:
        self.node = node
        self.identity = identity
        self.host_key = host_key
        self.may_forward = may_forward
        self.port = 0
        self._other_key: asyncssh.SSHKey | None = None
        self._listener: socket.socket | None = None
        self._held: list[socket.socket] = []
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, port: int) -> None:
        """Begin to listen. Raises OSError."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        try:
            listener.bind((self.node.address, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    def close(self) -> None:
        """Stop listening and end all connections."""
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in tuple(self._connections):
            connection.abort()
        for one in self._held:
            one.close()
        self._held.clear()

    def faults_changed(self) -> None:
        """Follow the fault that is about listening; release held connections."""
        refused = "ssh-refused" in self.node.faults
        if refused and self._listener:
            self.close()
        elif not refused and not self._listener and self.port:
            self.listen(self.port)
        if "ssh-hangs" not in self.node.faults:
            for one in self._held:
                one.close()
            self._held.clear()

    def _accept(self) -> None:
        listener = self._listener
        if listener is None:
            return
        with contextlib.suppress(BlockingIOError, InterruptedError):
            while True:
                connection, _ = listener.accept()
                if "ssh-hangs" in self.node.faults:
                    self._held.append(connection)
                    continue
                task = asyncio.get_running_loop().create_task(self._serve(connection))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        self.node.ssh_connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            served = await asyncssh.run_server(
                connection,
                server_factory=lambda: NodeServer(self),
                server_host_keys=[self._key()],
                process_factory=self._session,
                encoding="utf-8",
                errors="surrogateescape",
                allow_scp=False,
                config=None,
                agent_forwarding=False,
                x11_forwarding=False,
                gss_host=None,
                server_version="NftwaveLab",
            )
        except (OSError, asyncssh.Error):
            connection.close()
            return
        self._connections.add(served)
        try:
            await served.wait_closed()
        finally:
            self._connections.discard(served)

    def _key(self) -> asyncssh.SSHKey:
        if "host-key-changed" not in self.node.faults:
            return self.host_key
        self._other_key = self._other_key or asyncssh.generate_private_key("ssh-ed25519")
        return self._other_key

    async def _session(self, process: asyncssh.SSHServerProcess[str]) -> None:
        await sshsession.serve(self.node, process)
