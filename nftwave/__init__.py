"""Move kubeadm clusters from kube-proxy's ipvs mode to nftables, with evidence from every node.

This package holds what the steps know and use. It imports no Prefect: `flows` and `tasks`
do, and they import this package, never the other way round.
"""

__version__ = "0.1.0"
