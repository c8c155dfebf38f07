"""What kube-proxy's log tells about its start, in klog's text or in its JSON format."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nftwave.node.facts import Family

_PROXIER = re.compile(r'"Using (\w+) Proxier"')
# Text: …single-stack mode" ipFamily="IPv4"   JSON: …single-stack mode","v":0,"ipFamily":"IPv4"
_SINGLE = re.compile(r'running in single-stack mode"[^\n]*?\bipFamily"?[=:] ?"IPv([46])"')


@dataclass(frozen=True)
class ProxyLog:
    """What the log of the running container tells; None where it does not tell."""

    proxier: str | None
    families: frozenset[Family] | None
    last_words: str = ""
    """How the log of a pod that keeps dying ends."""

    @classmethod
    def read(cls, text: str) -> ProxyLog:
        """From the first lines that kube-proxy writes after its start."""
        proxiers = _PROXIER.findall(text)
        families: frozenset[Family] | None = None
        if "running in dual-stack mode" in text:
            families = frozenset(("ip", "ip6"))
        elif single := _SINGLE.search(text):
            families = frozenset(("ip6",) if single[1] == "6" else ("ip",))
        return cls(proxiers[-1] if proxiers else None, families)
