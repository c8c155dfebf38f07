"""One run of kube-proxy in its container.

Measured, kube-proxy 1.36.2: the configuration is read at the start only; in nftables mode ipvs is
wiped first, and only then kernel and nft are checked; the pod is Ready at once, for there are no
probes; the first sync comes later, one IP family after the other.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nftwave.lab.proxy import klog
from nftwave.lab.proxy.config import BadConfig, Config, load
from nftwave.lab.proxy.klog import Log, now
from nftwave.lab.proxy.pages import page

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.pace import Pace
    from nftwave.lab.tools.answers import Answer

START = 1.0  # seconds of a real node until it knows its node and configuration
WIPE = 0.5
FIRST_SYNC = (3.0, 11.0)  # after the start, IPv4
SECOND_FAMILY = 1.5
SLOW = 10
# Faults of a kube-proxy that never gets to its first sync in nftables mode; the last two find
# tables there.
NEVER_SYNCS = frozenset({"never-syncs", "stale-tables", "other-process"})
WAY_BACK = frozenset({"ipvs-empty", "tables-stay"})
TABLES_OF_OTHERS = frozenset({"stale-tables", "other-process"})
IPVS_DEPRECATED_IN = 35  # minor version


@dataclass(slots=True)
class KubeProxy:
    """The process: its log, what it serves, and when it synced."""

    node_name: str
    kernel: Kernel
    pace: Pace
    version: str
    faults: Collection[str]
    warn: Callable[[], None]  # records the Node event on ipvs
    log: Log = field(default_factory=Log)
    pid: int = 0
    config: Config | None = None
    started: float = field(default_factory=time.time)
    serving: bool = False
    synced: dict[str, float] = field(default_factory=dict)

    @property
    def mode(self) -> str | None:
        """The mode it runs in; None before it serves."""
        return self.config.mode if self.config and self.serving else None

    @property
    def meets_elder(self) -> bool:
        """Whether another, older process holds the port of its metrics."""
        return "other-process" in self.faults and self.mode == "nftables"

    def settle(self, config_text: str, since: datetime) -> None:
        """Be a kube-proxy that has been running since then."""
        self.started = since.timestamp()
        self.log.clock = lambda: since
        self.config = load(config_text)
        self.serving = True
        self.synced = {"IPv4": self.started + 9, "IPv6": self.started + 10}
        if self.config.mode == "ipvs":
            self.kernel.start_ipvs(self.config.scheduler)
        elif self.config.mode == "nftables":
            self.kernel.proxy_settings = self.config.settings
            self.kernel.proxy_families = ["ip", "ip6"]
        self._log_start(self.config)
        self.log.add(*klog.SERVE, version=self.version)
        self.log.clock = now

    async def run(self, config_text: str) -> int:
        """Run until cancelled, or die: the exit status."""
        try:
            self.config = load(config_text)
        except BadConfig as error:
            self.log.add(("E", "run.go:72", f'"command failed" err="{error}"'))
            return 1
        await self.pace.sleep(START)
        if self.config.mode == "nftables":
            await self._leave_ipvs()
            while "ready-without-rules" in self.faults:
                await self.pace.sleep(1)
        self._log_start(self.config)
        if self._deprecated(self.config):
            self.warn()
        obstacle = self._obstacle()
        if obstacle:
            self.log.die(obstacle)
            return 1
        if self.config.mode != "nftables" and "tables-stay" not in self.faults:
            # The other modes clean up after nftables when they start (Kubernetes source).
            self.kernel.proxy_families = []
        self.serving = True
        self.log.add(*klog.SERVE, version=self.version)
        await self._sync(self.config)
        await asyncio.Event().wait()
        return 0

    async def _leave_ipvs(self) -> None:
        had_ipvs = self.kernel.ipvs_active
        self.kernel.wipe_ipvs()
        if had_ipvs:
            self.log.add(*klog.LEFT_BEHIND)
        await self.pace.sleep(WIPE)

    def _log_start(self, config: Config) -> None:
        self.log.add(*klog.BEGIN, ip=self.kernel.node_ip)
        if config.mode != "nftables" and not config.settings.node_port_addresses:
            self.log.add(klog.ALL_ADDRESSES)
        self.log.add(klog.DUAL_STACK, klog.PROXIER[config.mode])
        if self._deprecated(config):
            self.log.add(klog.IPVS_DEPRECATED)

    def _deprecated(self, config: Config) -> bool:
        """Whether this version warns of its mode."""
        return config.mode == "ipvs" and int(self.version.split(".")[1]) >= IPVS_DEPRECATED_IN

    def _obstacle(self) -> str | None:
        """Why it cannot run in nftables mode on this node."""
        if self.config is None or self.config.mode != "nftables":
            return None
        if {"nft-missing", "image-without-nft"} & set(self.faults):
            return klog.NO_NFT
        if not self.kernel.supports_nftables_mode:
            return klog.OLD_KERNEL
        return klog.CRASHED if "crashloop" in self.faults else None

    async def _sync(self, config: Config) -> None:
        """The first sync of each family; afterwards the kernel follows the Services."""
        await self._meet_others(config)
        low, high = FIRST_SYNC
        seed = zlib.crc32(self.node_name.encode()) % 100 / 100
        delay = low + (high - low) * seed if config.mode == "nftables" else low
        await self.pace.sleep(delay)
        for _ in range(SLOW - 1):
            # Asked again each time, so that clearing the fault helps a sync that is under way.
            if "slow-sync" in self.faults:
                await self.pace.sleep(delay)
        self.kernel.follow()
        for family, name in (("ip", "IPv4"), ("ip6", "IPv6")):
            if config.mode == "nftables":
                if family not in self.kernel.proxy_families:
                    self.log.add(klog.FIRST_SYNC[family])
                    self.kernel.proxy_families = [*self.kernel.proxy_families, family]
                self.kernel.proxy_settings = config.settings
            elif config.mode == "ipvs" and "ipvs-empty" not in self.faults:
                self.kernel.start_ipvs(config.scheduler)
            self.synced[name] = time.time()
            await self.pace.sleep(SECOND_FAMILY)
        if config.mode == "ipvs":
            await self._put_right(config)

    async def _put_right(self, config: Config) -> None:
        """The faults of the way back, and what is made good when they are cleared."""
        while WAY_BACK & set(self.faults):
            await self.pace.sleep(1)
        self.kernel.start_ipvs(config.scheduler)
        self.kernel.proxy_families = []

    async def _meet_others(self, config: Config) -> None:
        """The faults of a process that never syncs; tables may be there without it."""
        if config.mode != "nftables":
            return
        if TABLES_OF_OTHERS & set(self.faults):
            if "other-process" in self.faults:
                self.kernel.follow()
            self.kernel.proxy_families = ["ip", "ip6"]
            self.kernel.proxy_settings = config.settings
        while NEVER_SYNCS & set(self.faults):
            await self.pace.sleep(1)

    def stop(self) -> None:
        """The process ends: nobody answers, nobody keeps up with the Services."""
        if self.serving:
            self.serving = False
            self.kernel.freeze()

    def answer(self, port: int, path: str) -> Answer | None:
        """What its HTTP servers answer; None where nobody listens."""
        if not self.serving or self.config is None:
            return None
        return page(self, self.config, port, path)
