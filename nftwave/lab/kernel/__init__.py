"""A node's kernel: nftables, ipvs, /proc, and what kube-proxy put there for the Services."""
