"""What the API server asks of the nodes' side of the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.shell.streams import Sink, Source


class Backend(Protocol):
    """What the API server asks of the nodes' side of the lab."""

    async def pod_log(self, pod: Object, *, container: str | None, previous: bool) -> str | None:
        """The whole log of a container; None: there is no such (previous) container."""
        ...

    async def node_proxy(self, node: str, port: int, path: str) -> tuple[int, str, bytes] | None:
        """Status, content type and body of a GET to a port of a node; None: refused."""
        ...

    def check_exec(self, pod: Object, container: str) -> None:
        """Raise ApiStatus 500 if no command can be run in that container."""
        ...

    async def pod_exec(
        self, pod: Object, command: Sequence[str], stdin: Source, stdout: Sink, stderr: Sink
    ) -> int:
        """Run a command in the pod's container: its exit status. Raises NoSuchProgram."""
        ...


class NoSuchProgram(Exception):
    """The container has no such program; the text is its runtime's."""
