"""What kube-proxy's maps or virtual servers must hold, by the Services of the API."""
