"""Evidence that a node runs the mode it has to and that its Services work, and the verdict."""

from nftwave.evidence.judge import judge
from nftwave.evidence.log import ProxyLog
from nftwave.evidence.look import Expected, Look
from nftwave.evidence.model import Evidence, Mode, NodeVerdict, Standing

__all__ = ["Evidence", "Expected", "Look", "Mode", "NodeVerdict", "ProxyLog", "Standing", "judge"]
