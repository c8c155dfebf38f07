"""kube-proxy on one node: its configuration, start, log, metrics."""
