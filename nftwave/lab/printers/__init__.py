"""The columns and tables that `kubectl get` shows."""
