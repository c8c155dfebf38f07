"""Measure what the change costs, on the nodes that the policy names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from nftwave import progress
from nftwave.measuring import CHOOSE, Meters
from nftwave.outcome import counted

if TYPE_CHECKING:
    from tasks.run import Run


@contextmanager
def interruption_measured(run: Run) -> Iterator[None]:
    """From here until each node is proven, or until the block is left however that comes about."""
    changing = {node.name for node in run.plan.nodes}
    nodes = sorted((n for n in run.facts.targets if n.name in changing), key=lambda n: n.name)
    # By exec no program is there that could connect.
    by_ssh = run.cluster.access == "ssh"
    chosen = nodes[: CHOOSE[run.cluster.policy.interruption_probe]] if by_ssh else []
    target = next((port for port in run.facts.must_serve if port.protocol == "tcp"), None)
    run.meters = Meters()
    if chosen and target:
        with progress.step("interruption", f"on {counted(len(chosen), 'node')}") as now:
            run.meters.start(run.cluster, chosen, target)
            now.end(f"measured from now on, on {counted(len(chosen), 'node')}")
    try:
        yield
    finally:
        for node, found in run.meters.stop_all().items():
            told = f"{node}: {found.words()}"
            progress.tell(progress.Event("line", "interruption", told))
