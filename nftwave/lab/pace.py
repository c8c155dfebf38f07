"""How fast the lab's time runs. Moments are real; only what takes time is shortened."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """`speed` 10 makes what takes ten seconds on a real node take one."""

    speed: float = 1.0

    def lasts(self, seconds: float) -> float:
        """How long so many seconds of a real node last here."""
        return seconds / self.speed

    async def sleep(self, seconds: float) -> None:
        """Let as much time pass as `seconds` of a real node."""
        await asyncio.sleep(self.lasts(seconds))
