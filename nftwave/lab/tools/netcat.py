"""`nc` as Debian's netcat-openbsd is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nftwave.lab.shell.process import ConnectError
from nftwave.lab.shell.streams import read_all
from nftwave.lab.tools.operands import options

if TYPE_CHECKING:
    from nftwave.lab.shell.process import Call, Connection, Tool

SERVICES = {"22": "ssh", "25": "smtp", "53": "domain", "80": "http", "443": "https"}


async def nc(call: Call) -> int:
    """`nc`: -z -v -n -u -w SECONDS -N HOST PORT."""
    flags, operands = options(call.args, "wqip")
    if len(operands) != 2 or not operands[1].isdigit():
        await call.stderr.write("usage: nc [-46NnuvZz] [-w timeout] [destination] [port]\n")
        return 1
    host, port = operands
    protocol = "udp" if "u" in flags else "tcp"
    wait = call.machine.lasts(float(flags["w"])) if "w" in flags else None
    try:
        async with asyncio.timeout(wait):
            connection = await call.machine.connect(protocol, host, int(port))
    except (ConnectError, TimeoutError) as error:
        why = str(error) or "Operation now in progress"
        if "not known" in why:
            return await call.error(f'getaddrinfo for host "{host}" port {port}: {why}')
        if "v" in flags:
            message = f"connect to {host} port {port} ({protocol}) failed: {why}"
            await call.error(message if str(error) else message.replace("failed", "timed out", 1))
        return 1
    if "v" in flags:
        service = "*" if "n" in flags else SERVICES.get(port, "*")
        place = f"{host} {port} port [{protocol}/{service}]"
        await call.stderr.write(f"Connection to {place} succeeded!\n")
    if "z" not in flags:
        await _talk(call, connection, wait)
    return 0


async def _talk(call: Call, connection: Connection, idle: float | None) -> None:
    """Standard input out, what comes in to standard output, until the other end closes."""
    await connection.write(await read_all(call.stdin))
    try:
        while True:
            async with asyncio.timeout(idle):
                chunk = await connection.read()
            if not chunk:
                return
            await call.out(chunk)
    except TimeoutError:
        return


TOOLS: dict[str, Tool] = {"nc": nc, "netcat": nc}
