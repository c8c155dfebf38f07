"""The cluster through its API: a small gateway over the kubernetes client, and waiting by watch."""
