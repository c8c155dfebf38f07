"""Evidence that a node runs nftables mode and that its Services work, and the verdict on it."""

from nftwave.evidence.judge import judge
from nftwave.evidence.log import ProxyLog
from nftwave.evidence.look import Expected, Look
from nftwave.evidence.model import Evidence, NodeVerdict, Standing

__all__ = ["Evidence", "Expected", "Look", "NodeVerdict", "ProxyLog", "Standing", "judge"]
