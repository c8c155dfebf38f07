"""A node that is busy: many established connections through ipvs, which may end by and by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nftwave.lab.kernel import ipvs

if TYPE_CHECKING:
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.pace import Pace

COUNT = 200
STEPS, STEP = 10, 2.0  # in so many steps they end, so many seconds of a real node apart
LATER = 100  # places of connections that the node had before


class Busy:
    """The connections, of the node's pods where it has any: they end with their pod too."""

    def __init__(self, node: SimNode, pace: Pace, *, fades: bool) -> None:
        self._kernel = node.kernel
        self._pace = pace
        self._mine = (
            ipvs.some_connections(
                node.kernel.services.ports(),
                node.name,
                node.kernel.pod_cidr,
                node.kubelet.pod_addresses(),
                range(LATER, LATER + COUNT),
            )
            if node.kernel.ipvs_active
            else []
        )
        self._kernel.connections = [*self._kernel.connections, *self._mine]
        self._task = asyncio.get_running_loop().create_task(self._fade()) if fades else None

    def stop(self) -> None:
        """End all of them at once."""
        if self._task:
            self._task.cancel()
        self._end(len(self._mine))

    async def _fade(self) -> None:
        for _ in range(STEPS):
            await self._pace.sleep(STEP)
            self._end(COUNT // STEPS)

    def _end(self, count: int) -> None:
        ended, self._mine = set(self._mine[:count]), self._mine[count:]
        self._kernel.connections = [one for one in self._kernel.connections if one not in ended]
