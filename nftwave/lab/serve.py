"""The lab's process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from nftwave.lab import addresses, folder
from nftwave.lab.control import BAD_REQUEST, HOST, Control
from nftwave.lab.faults import UnknownFaultError
from nftwave.lab.world import Shape, World

with contextlib.suppress(ImportError):
    import resource

LOG = logging.getLogger("nftwave.lab")
ATTEMPTS = 5


async def serve(directory: Path, shape: Shape, faults: list[list[str]], *, tied: bool) -> None:
    """Run a lab until it is told to stop; `tied`: until standard input ends, too."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if tied:
        loop.add_reader(sys.stdin.fileno(), lambda: _at_end(stopping))
    world = await _start(directory, shape)
    try:
        for cluster, node, name in faults:
            world.fault(cluster, node, name)
        control = Control(world, asdict(shape), stopping.set)
        server = await asyncio.start_server(control.serve, HOST, 0)
        state = {
            "pid": os.getpid(),
            "port": server.sockets[0].getsockname()[1],
            "token": control.token,
            "shape": asdict(shape),
        }
        folder.private(directory / folder.STATE, json.dumps(state, indent=2) + "\n")
        LOG.info("the lab is up: %s", asdict(shape))
        # What is there now stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        await stopping.wait()
        server.close()
    finally:
        await world.stop()
        (directory / folder.STATE).unlink(missing_ok=True)
        LOG.info("the lab is down")


async def _start(directory: Path, shape: Shape) -> World:
    """Start, elsewhere if another lab was quicker at the chosen addresses."""
    for attempt in range(ATTEMPTS):
        world = World(shape, addresses.choose(directory), directory)
        try:
            await world.start()
        except OSError:
            await world.stop()
            if attempt == ATTEMPTS - 1:
                raise
            LOG.warning("an address was taken, trying others")
        else:
            return world
    raise AssertionError


def _at_end(stopping: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stopping.set()


def _allow_many_files() -> None:
    """A listener and connections for each node: as many open files as the system lets us."""
    with contextlib.suppress(NameError, ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    """Entry point of the process that `nftwave lab up` starts."""
    parser = argparse.ArgumentParser(prog="nftwave-lab")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--clusters", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--speed", type=float, default=10.0)
    parser.add_argument("--kubernetes", default="v1.36.2")
    parser.add_argument("--fault", nargs=3, action="append", default=[])
    parser.add_argument("--tied", action="store_true")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.ERROR)
    _allow_many_files()
    shape = Shape(given.clusters, given.nodes, given.speed, given.kubernetes)
    try:
        asyncio.run(serve(given.directory, shape, given.fault, tied=given.tied))
    except addresses.NoAddressError as error:
        sys.exit(str(error))
    except UnknownFaultError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(BAD_REQUEST)


if __name__ == "__main__":
    main()
