"""One node: the kubelet with its pods, and the SSH server."""
