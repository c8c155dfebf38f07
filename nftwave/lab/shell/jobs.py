"""Builtins about processes and signals."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nftwave.lab.shell.process import SIGNALS

if TYPE_CHECKING:
    from nftwave.lab.shell.interpreter import Shell

STOPPED_BY_SIGNAL = 128


async def trap(shell: Shell, args: list[str]) -> int:
    """`trap`."""
    if not args:
        for name, action in shell.traps.items():
            await shell.write(1, f"trap -- '{action}' {name}\n")
        return 0
    action, *names = args if args[0] != "--" else args[1:]
    if not names:
        action, names = "-", [action]
    numbers = {str(number): name for name, number in SIGNALS.items()} | {"0": "EXIT"}
    for given in names:
        name = numbers.get(given, given.removeprefix("SIG"))
        if name != "EXIT" and name not in SIGNALS:
            await shell.complain(f"{shell.line}: trap: {given}: bad trap")
            return 1
        if action == "-":
            shell.traps.pop(name, None)
        else:
            shell.traps[name] = action
    return 0


async def wait(shell: Shell, args: list[str]) -> int:
    """`wait`: for a process, or for all. A trapped signal ends the wait."""
    status = 0
    for pid in [int(one) for one in args] or list(shell.jobs):
        process = shell.jobs.get(pid)
        if process is None:
            status = 127
            continue
        shell.interrupted.clear()
        interruption = asyncio.ensure_future(shell.interrupted.wait())
        await asyncio.wait({process.task, interruption}, return_when=asyncio.FIRST_COMPLETED)
        interruption.cancel()
        if not process.task.done():
            return STOPPED_BY_SIGNAL + SIGNALS.get(shell.pending[0], 0) if shell.pending else 0
        shell.jobs.pop(pid)
        status = process.status
    return status if args else 0


async def kill(shell: Shell, args: list[str]) -> int:
    """`kill`."""
    name = "TERM"
    if args and args[0] == "-s" and len(args) > 1:
        name, args = args[1], args[2:]
    elif args and args[0] == "-l":
        await shell.write(1, "\n".join(SIGNALS) + "\n")
        return 0
    elif args and args[0].startswith("-"):
        name, args = args[0][1:], args[1:]
    signal = int(name) if name.isdigit() else SIGNALS.get(name.removeprefix("SIG"), 15)
    status = 0
    for target in args:
        process = shell.session.machine.processes.get(int(target) if target.isdigit() else -1)
        if process is None:
            await shell.complain(f"{shell.line}: kill: No such process")
            status = 1
            continue
        process.signal(signal)
    await asyncio.sleep(0)
    return status


async def times(shell: Shell, _args: list[str]) -> int:
    """`times`."""
    await shell.write(1, "0m0.000000s 0m0.000000s\n0m0.000000s 0m0.000000s\n")
    return 0
