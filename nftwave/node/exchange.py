"""Talk to a started command: its input in, both its outputs out, in one loop.

Writing everything and only then reading deadlocks once the server's window is full (paramiko issue
448), and `recv_exit_status` knows no timeout (issue 1815).
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import paramiko

if TYPE_CHECKING:
    from nftwave.node.deadline import Deadline

LIMIT = 8 * 1024 * 1024
"""Bytes that a command may print, both streams together."""
_CHUNK = 32768
# While the window is full only the server's word, which wakes no file descriptor, ends the wait.
_WHILE_SENDING = 0.02


class TooMuchOutput(paramiko.SSHException):
    """The command printed more than LIMIT."""


def exchange(
    channel: paramiko.Channel, text: bytes, deadline: Deadline
) -> tuple[bytes, bytes, int]:
    """Send `text`, read until the command's end: stdout, stderr, exit status (-1 for a signal).

    Raises:
        TimeoutError: the deadline passed first.
        EOFError: the connection was lost.
        TooMuchOutput: more than LIMIT bytes came.
    """
    channel.settimeout(0.0)
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    out, err = bytearray(), bytearray()
    pending = memoryview(text)
    sending = True
    while not _ended(channel):
        if sending:
            pending = pending[_send(channel, pending) :]
            if not pending:
                channel.shutdown_write()
                sending = False
        came = _drain(channel, out, err)
        if deadline.expired:
            raise TimeoutError
        if not came and not _ended(channel):
            wait = min(deadline.remaining(), _WHILE_SENDING if sending else 1.0)
            poll.poll(wait * 1000)
    _drain(channel, out, err)
    if not channel.status_event.wait(deadline.remaining()) and deadline.expired:
        raise TimeoutError
    if not channel.exit_status_ready() or _lost(channel):
        raise EOFError
    return bytes(out), bytes(err), channel.recv_exit_status()


def _send(channel: paramiko.Channel, pending: memoryview) -> int:
    try:
        return channel.send(bytes(pending[:_CHUNK]))
    except TimeoutError:
        return 0
    except OSError:
        # The command ended without reading its input; what it printed still counts.
        return len(pending)


def _drain(channel: paramiko.Channel, out: bytearray, err: bytearray) -> bool:
    before = len(out) + len(err)
    while channel.recv_ready():
        out += channel.recv(_CHUNK)
    while channel.recv_stderr_ready():
        err += channel.recv_stderr(_CHUNK)
    if len(out) + len(err) > LIMIT:
        raise TooMuchOutput(f"it printed more than {LIMIT // 1024**2} MiB")
    return len(out) + len(err) > before


def _ended(channel: paramiko.Channel) -> bool:
    return bool(channel.eof_received or channel.closed)


def _lost(channel: paramiko.Channel) -> bool:
    """Closed by us or by a broken connection, rather than by the command's end."""
    return channel.exit_status == -1 and not channel.get_transport().is_active()
