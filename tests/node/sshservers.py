"""Small SSH servers on loopback: asyncssh, so another implementation than the client under test."""

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncssh

from nftwave.node.host import Access

HOST = "127.0.0.1"


class Keys:
    """A client's key pair, and host keys made once for all servers of a test run."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.client = self._made("ssh-ed25519", "id_ed25519")
        self.host = self._made("ssh-ed25519", "host")
        self.other_host = self._made("ssh-ed25519", "other_host")
        self.ecdsa_host = self._made("ecdsa-sha2-nistp256", "ecdsa_host")
        self.identity = folder / "id_ed25519"

    def _made(self, algorithm, name):
        key = asyncssh.generate_private_key(algorithm)
        key.write_private_key(self.folder / name)
        (self.folder / name).chmod(0o600)  # ssh-add refuses what others can read
        key.write_public_key(self.folder / f"{name}.pub")
        return key


def public(key):
    return key.export_public_key().decode().strip()


async def run_here(process):
    """The command, run by a shell on this machine."""
    child = await asyncio.create_subprocess_shell(
        process.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    feeding = asyncio.create_task(pour(process.stdin, child.stdin))
    try:
        await asyncio.gather(pour(child.stdout, process.stdout), pour(child.stderr, process.stderr))
        process.exit(await child.wait())
    finally:
        feeding.cancel()


async def pour(source, sink):
    with suppress(OSError):
        while chunk := await source.read(65536):
            sink.write(chunk)
            await sink.drain()
        if isinstance(sink, asyncio.StreamWriter):
            sink.close()


class Loop:
    """One event loop in a thread, for all servers of a test run."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work):
        async def awaited():
            return await work

        return asyncio.run_coroutine_threadsafe(awaited(), self.loop).result(30)


class Counting(asyncssh.SSHServer):
    """Counts logins; lets others be reached through it where it is told so."""

    def __init__(self, seen, *, forwards=True):
        self.seen = seen
        self.forwards = forwards

    def connection_made(self, _):
        self.seen["connections"] = self.seen.get("connections", 0) + 1
        self.seen["open"] = self.seen.get("open", 0) + 1

    def connection_lost(self, _):
        self.seen["open"] -= 1

    def connection_requested(self, *_):
        self.seen["forwards"] = self.seen.get("forwards", 0) + 1
        return self.forwards


class Servers:
    """Starts servers and knows how each is reached."""

    def __init__(self, loop, keys, folder):
        self.loop, self.keys, self.folder = loop, keys, folder
        self.started = []
        self.known_hosts = folder / "known_hosts"

    def start(
        self, process=run_here, *, host_keys=None, known=None, forwards=True, name="n1", **options
    ):
        """A server; returns its Access and what it has seen."""
        keys = host_keys or [self.keys.host]
        seen = {}
        listening = self.loop.run(
            asyncssh.create_server(
                lambda: Counting(seen, forwards=forwards),
                HOST,
                0,
                server_host_keys=keys,
                authorized_client_keys=str(self.keys.folder / "id_ed25519.pub"),
                process_factory=process,
                encoding=None,
                **options,
            )
        )
        self.started.append(listening)
        access = self.access(listening.get_port(), name=name)
        for key in keys if known is None else known:
            self.know(access.port, key)
        return access, seen

    def access(self, port, **changed):
        return Access(
            **{
                "node": changed.pop("name", "n1"),
                "host": HOST,
                "port": port,
                "user": "ops",
                "identity_files": (self.keys.identity,),
                "agent": False,
                "known_hosts": (self.known_hosts,),
            }
            | changed
        )

    def know(self, port, key):
        with self.known_hosts.open("a") as file:
            file.write(f"[{HOST}]:{port} {public(key)}\n")

    def stop(self):
        for server in self.started:
            self.loop.loop.call_soon_threadsafe(server.close)


@contextmanager
def raw(speak):
    """A TCP server that hands each connection to `speak` in a thread; yields its port."""
    listener = socket.create_server((HOST, 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=speak, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
