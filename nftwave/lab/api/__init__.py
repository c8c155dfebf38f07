"""The API server: requests, who may, lists, watches, writes, discovery, audit, faults."""
