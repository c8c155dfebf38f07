"""`systemctl is-active`: the services of a lab node (systemd 252)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Tool

ACTIVE = frozenset({"containerd", "cron", "kubelet", "ssh", "systemd-journald"})
# Installed with Debian's package nftables, and not enabled by it.
INACTIVE = frozenset({"nftables"})
NOT_RUNNING, UNKNOWN = 3, 4


async def systemctl(call: Call) -> int:
    """`systemctl is-active [--quiet] UNIT…`: 0 if one of them is."""
    words = [word for word in call.args if not word.startswith("-")]
    if words[:1] != ["is-active"]:
        return await call.error("only is-active is there")
    names = [word.removesuffix(".service") for word in words[1:]]
    if not {"-q", "--quiet"} & set(call.args):
        lines = ["active\n" if name in ACTIVE else "inactive\n" for name in names]
        await call.out("".join(lines))
    if ACTIVE & set(names):
        return 0
    return NOT_RUNNING if INACTIVE & set(names) else UNKNOWN


TOOLS: dict[str, Tool] = {"systemctl": systemctl}
