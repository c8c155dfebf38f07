"""Where a cluster's objects live: revisions, watches, admission, the events of components."""
