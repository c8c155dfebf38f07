"""A session on one host: an SSH connection that runs one script after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from nftwave.errors import Unreachable
from nftwave.node.deadline import Deadline
from nftwave.node.exchange import exchange
from nftwave.node.host import Access, host_port
from nftwave.node.parse import parse
from nftwave.node.script import MARK, PROBE, script
from nftwave.node.transport import stages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType

    import paramiko

    from nftwave.node.facts import NodeFacts, ServicePort

COMMAND = "sh -s"
SUDO_COMMAND = "sudo -n sh -s"
_END = "NFTWAVE_END_OF_SCRIPT"
_SUDO_WORDS = ("sudo:", "sudoers", "is not allowed to execute")
_GRACE = 1.0  # seconds that the remote `timeout` gets more than we wait: it is for what we left


@dataclass(frozen=True, slots=True)
class Output:
    """What a script printed, and its exit status (-1 where a signal ended it)."""

    stdout: bytes
    stderr: bytes
    status: int


class Running:
    """A script that was begun, and runs until `finish`."""

    def __init__(self, access: Access, channel: paramiko.Channel) -> None:
        self._access = access
        self._channel = channel

    def finish(self, *, deadline: float) -> Output:
        """Close its input, and wait for its end; within `deadline` seconds.

        Raises:
            Unreachable: the connection was lost, or it did not end.
        """
        limit = Deadline(deadline)
        with stages(self._access, limit) as stage, limit.closes(self._channel):
            stage.doing = "waiting for the end of what was begun"
            try:
                stdout, stderr, status = exchange(self._channel, b"", limit)
            finally:
                self._channel.close()
        return Output(stdout, stderr, status)


class Session:
    """One authenticated connection to one host.

    Attributes:
        access: how the host was reached.
    """

    def __init__(
        self, access: Access, transport: paramiko.Transport, closed: Callable[[], None]
    ) -> None:
        self.access = access
        self._transport = transport
        self._closed = closed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, script: str, *, deadline: float | Deadline) -> Output:
        """Run a POSIX sh script there, its text on the shell's standard input.

        `deadline` is in seconds, or a Deadline that somebody else keeps too.

        The command line is always `sh -s` or `sudo -n sh -s`, so that a sudoers line can name it.
        Where the host has `timeout`, a script that outlives the deadline is ended there too.

        Raises:
            Unreachable: no answer within the deadline (says which stage was reached), more than
                8 MiB of output, or sudo that refuses.
        """
        command = self._command
        limit = deadline if isinstance(deadline, Deadline) else Deadline(deadline)
        with stages(self.access, limit) as stage, limit.closes(self._transport):
            stage.doing = "opening a session (logged in)"
            channel = self._transport.open_session(timeout=limit.remaining() + 1)
            try:
                stage.doing = f"starting `{command}` (logged in)"
                channel.exec_command(command)
                stage.doing = f"`{command}` runs"
                text = bounded(script, limit.remaining() + _GRACE).encode("utf-8")
                stdout, stderr, status = exchange(channel, text, limit)
            finally:
                channel.close()
        output = Output(stdout, stderr, status)
        if command == SUDO_COMMAND and not stdout and status != 0:
            self._raise_if_sudo_refused(output)
        return output

    def probe(
        self, *, deadline: float | Deadline, reach: Collection[ServicePort] = ()
    ) -> NodeFacts:
        """One look at the node, within `deadline` seconds; may be repeated.

        Args:
            reach: TCP ports of Services to which a connection is tried from there.

        Raises:
            Unreachable: no answer within the deadline, or not the probe's answer.
        """
        text = script(MARK, reach) if reach else PROBE
        output = self.run(text, deadline=deadline)
        if MARK.encode() in output.stdout:
            return parse(output.stdout, node=self.access.node, mark=MARK)
        said = (output.stderr or output.stdout).decode("utf-8", "replace").strip()
        raise Unreachable(
            f"the probe did not run (exit status {output.status}): "
            f"{said.splitlines()[-1][:200] if said else 'no output'}",
            node=self.access.node,
            next_step="the account needs a POSIX shell, and no forced command",
        )

    def begin(self, script: str, *, deadline: float) -> Running:
        """Start a script that runs until it is told to end; it shares the connection with others.

        The script must end when its standard input does.

        Args:
            deadline: seconds for starting it.

        Raises:
            Unreachable: it could not be started (says which stage was reached).
        """
        limit = Deadline(deadline)
        command = self._command
        with stages(self.access, limit) as stage, limit.closes(self._transport):
            stage.doing = "opening a session (logged in)"
            channel = self._transport.open_session(timeout=limit.remaining() + 1)
            stage.doing = f"starting `{command}` (logged in)"
            channel.exec_command(command)
            channel.settimeout(limit.remaining())
            channel.sendall(script.encode())
        return Running(self.access, channel)

    def close(self) -> None:
        """Close the connection; harmless when closed already."""
        self._transport.close()
        closed, self._closed = self._closed, _nothing
        closed()

    @property
    def _command(self) -> str:
        sudo = self.access.sudo and self.access.user != "root"
        return SUDO_COMMAND if sudo else COMMAND

    def _raise_if_sudo_refused(self, output: Output) -> None:
        said = output.stderr.decode("utf-8", "replace").strip()
        if not any(word in said for word in _SUDO_WORDS):
            return
        user = self.access.user
        raise Unreachable(
            f"{host_port(self.access.host, self.access.port)}: logged in as {user}, but sudo "
            f"refused: {said.splitlines()[-1]}",
            node=self.access.node,
            next_step=f"allow it on the node (visudo -f /etc/sudoers.d/nftwave): "
            f"{user} ALL=(root) NOPASSWD: /usr/bin/sh -s, /bin/sh -s   (that is a root shell, for "
            "this account only; give the account a key of its own)",
        )


def bounded(script: str, seconds: float) -> str:
    """The script inside a shell of its own that `timeout` ends, where the host has `timeout`."""
    if _END in script:
        raise ValueError(f"a script must not hold the line {_END}")
    return (
        "bound=\n"
        f"if command -v timeout >/dev/null 2>&1; then bound='timeout {seconds:.0f}'; fi\n"
        f"$bound sh -s <<'{_END}'\n{script.rstrip()}\n{_END}\n"
    )


def _nothing() -> None:
    """What closing a closed session still has to give back."""
