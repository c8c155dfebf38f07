"""An API server in a thread of its own, so that ordinary blocking clients can talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nftwave.lab.api.auth import Credentials
from nftwave.lab.api.backend import NoSuchProgram
from nftwave.lab.api.server import ApiServer
from nftwave.lab.pki import kubeconfig
from nftwave.lab.store.store import Store

RECORDINGS = Path(__file__).parents[2] / "recordings" / "api"


def recording(number):
    """The recorded request and answer with that number."""
    (path,) = RECORDINGS.glob(f"{number:02}-*.json")
    return json.loads(path.read_text())


def recorded_body(number):
    return recording(number)["response"]["body"]


@dataclass
class FakeNodes:
    """The nodes' side: logs by (pod, previous), ports by (node, port)."""

    logs: dict[tuple[str, bool], str] = field(default_factory=dict)
    ports: dict[tuple[str, int], tuple[int, str, bytes]] = field(default_factory=dict)

    async def pod_log(self, pod, *, container, previous):  # noqa: ARG002 - the Backend's signature
        return self.logs.get((pod["metadata"]["name"], previous))

    def check_exec(self, pod, container):
        """Every container runs."""

    async def pod_exec(self, pod, command, stdin, stdout, stderr):  # noqa: ARG002 - as above
        """What its name says, in a container that has nothing else."""
        name, *args = command
        if name == "say":
            await stdout.write(" ".join(args))
        elif name == "fill":
            await stdout.write("x" * int(args[0]))
        elif name == "complain":
            await stderr.write(" ".join(args))
            return 3
        elif name == "repeat":
            while chunk := await stdin.read():
                await stdout.write(chunk)
        else:
            raise NoSuchProgram(f'exec: "{name}": executable file not found in $PATH')
        return 0

    async def node_proxy(self, node, port, path):  # noqa: ARG002 - the Backend's signature
        return self.ports.get((node, port))


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def lines(self):
        return [json.loads(line) for line in self.raw.splitlines()]


class Served:
    """A running server; `store` may be touched through `do` only."""

    # One authority for all tests: making certificates is most of the time of a start.
    credentials = Credentials()

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.nodes = FakeNodes()
        self.loop = asyncio.new_event_loop()
        self.api = ApiServer(self.store, self.nodes, name="lab-test", credentials=self.credentials)
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.url = self.run(self.api.start("127.0.0.1"))
        self.port = int(self.url.rpartition(":")[2])
        self.tls = ssl.create_default_context(cadata=self.credentials.authority.cert_pem)

    def run(self, coroutine) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def do(self, function, *args, **kwargs) -> Any:
        """Call a function in the server's loop."""

        async def called():
            return function(*args, **kwargs)

        return self.run(called())

    def stop(self) -> None:
        self.run(self.api.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()

    @contextlib.contextmanager
    def opened(self, method, path, body=None, *, token=None, headers=None):
        """A request whose answer is still to be read; a body that is no bytes is sent as JSON."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=self.tls, timeout=20
        )
        sent = {"User-Agent": "python-requests/2.32", "Accept": "application/json"}
        if token is None:
            token = self.credentials.admin_token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection.request(method, path, body, {**sent, **(headers or {})})
        try:
            yield connection.getresponse()
        finally:
            connection.close()

    def ask(self, method, path, body=None, *, token=None, headers=None) -> Reply:
        """A request and its whole answer."""
        with self.opened(method, path, body, token=token, headers=headers) as response:
            raw = response.read()
            return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, raw)

    def patch(self, path, body, kind="merge"):
        return self.ask(
            "PATCH", path, body, headers={"Content-Type": f"application/{kind}-patch+json"}
        )

    def write_kubeconfig(self, folder: Path) -> Path:
        authority = self.credentials.authority
        client = authority.client("kubernetes-admin", ["kubeadm:cluster-admins"])
        path = folder / "lab-test.kubeconfig"
        path.write_text(
            kubeconfig("lab-test", self.url, authority.cert_pem, client.cert_pem, client.key_pem)
        )
        return path


def seed_recorded(store: Store) -> None:
    """Put in what the recorded cluster held when it was asked."""
    seeds = {
        "nodes": recorded_body(3)["items"],
        "configmaps": [recorded_body(5), recorded_body(6)],
        "daemonsets.apps": [recorded_body(8)],
        "pods": recorded_body(9)["items"],
        "controllerrevisions.apps": recorded_body(25)["items"],
    }
    for resource, objects in seeds.items():
        for obj in objects:
            store.seed(resource, obj)
    for name in ("default", "kube-system"):
        metadata = {"name": name, "uid": f"ns-{name}", "resourceVersion": "4"}
        store.seed("namespaces", {"metadata": metadata, "status": {"phase": "Active"}})
    store.resource_version = 2116
