"""Who holds a cluster's lock: one process of one person on one machine; and whether it still lives.

What a pid means depends on more than the machine. Told apart by:

    | what                                 | source                                            |
    |--------------------------------------|---------------------------------------------------|
    | the machine, since it was booted     | /proc/sys/kernel/random/boot_id (random(4))       |
    | containers on it, which share that   | PID and time namespace of the process             |
    | and perhaps the host's name          | (/proc/self/ns, namespaces(7))                    |
    | a pid that was given to another      | start time, field 22 of /proc/PID/stat (proc(5))  |

Without /proc nobody's end can be seen: then only time tells.
"""

from __future__ import annotations

import getpass
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
ENDED = ("Z", "X")
"""States of a process that has ended and that its parent has not asked about yet (proc(5))."""


@dataclass(frozen=True)
class Holder:
    """A process that works on a cluster.

    Attributes:
        user: who started it, by the name that the machine knows.
        host: the machine's name.
        started: start of the process in clock ticks since boot, empty where that cannot be read.
        boot: within what the pid and the start mean something, empty where that cannot be read.
        run: id or URL of the run that it carries out, empty where there is none.
    """

    user: str
    host: str
    pid: int
    started: str
    boot: str
    run: str = ""

    @classmethod
    def here(cls, run: str = "") -> Holder:
        """This process."""
        pid = os.getpid()
        return cls(_user(), socket.gethostname(), pid, _state(pid)[1], _boot(), run)

    @property
    def identity(self) -> str:
        """One line for people, as a Lease's holderIdentity."""
        return f"{self.user}@{self.host} pid {self.pid}" + (f" run {self.run}" if self.run else "")

    def same_process(self, other: Holder) -> bool:
        """Whether both are one process, whatever it is called and whichever run it carries out."""
        mine = (self.host, self.pid, self.started, self.boot)
        return mine == (other.host, other.pid, other.started, other.boot)

    def has_ended(self) -> bool:
        """Whether it ran on this machine and has surely ended; False where that cannot be seen."""
        if not self.boot or self.boot != _boot():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it is another user's: its state can still be read, unless /proc hides it
        state, started = _state(self.pid)
        return bool(state) and (state in ENDED or started != self.started)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a uid without a name
        return f"uid-{os.getuid()}"


def _boot() -> str:
    """Boot and namespaces in which pids and start times are given; empty without /proc."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        names = [str((PROC / "self/ns/pid").readlink())]
    except OSError:
        return ""
    with suppress(OSError):  # Linux before 5.6 has no time namespaces
        names.append(str((PROC / "self/ns/time").readlink()))
    return " ".join([boot, *names])


def _state(pid: int) -> tuple[str, str]:
    """State and start time of a process; empty where they cannot be read."""
    try:
        # The name in parentheses may hold anything, parentheses too.
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
