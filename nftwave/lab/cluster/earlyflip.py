"""A node whose kube-proxy dies on its own soon after its ConfigMap has changed."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from nftwave.lab.proxy.config import BadConfig, load

if TYPE_CHECKING:
    from nftwave.lab.node.node import SimNode
    from nftwave.lab.pace import Pace
    from nftwave.lab.store.store import Store

NOTICE = 2.0  # seconds of a real node between the change and the death
KILLED = 137  # exit status after SIGKILL


class EarlyFlip:
    """Waits until the ConfigMap says nftables and the node runs something else."""

    def __init__(self, store: Store, node: SimNode, pace: Pace) -> None:
        self._store = store
        self._node = node
        self._pace = pace
        self._task = asyncio.get_running_loop().create_task(self._wait())

    def stop(self) -> None:
        """Leave the node in peace."""
        self._task.cancel()

    async def _wait(self) -> None:
        with contextlib.closing(self._store.subscribe("configmaps")) as changes:
            while True:
                if self._due():
                    await self._pace.sleep(NOTICE)
                    self._node.kubelet.kill_kube_proxy(KILLED)
                await changes.wait()

    def _due(self) -> bool:
        """Whether a restart would change the node to nftables."""
        proxy = self._node.proxy
        found = self._store.get("configmaps", "kube-system", "kube-proxy")
        if proxy is None or found is None:
            return False
        try:
            wanted = load(found.get("data", {}).get("config.conf", "")).mode
        except BadConfig:
            return False
        return wanted == "nftables" and proxy.mode not in {None, wanted}
