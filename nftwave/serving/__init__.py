"""What kube-proxy's maps must hold, by the Services and EndpointSlices of the API."""
