"""The fleet file: which clusters there are, how their nodes are reached, and what is allowed."""

from nftwave.fleet.file import Fleet, explicit_cluster, load_fleet, schema
from nftwave.fleet.models import (
    Batches,
    Canary,
    Cluster,
    Deadlines,
    Drain,
    Policy,
    Quiet,
    Ssh,
    Thresholds,
    Waiver,
)
from nftwave.fleet.source import BadFleet

__all__ = [
    "BadFleet",
    "Batches",
    "Canary",
    "Cluster",
    "Deadlines",
    "Drain",
    "Fleet",
    "Policy",
    "Quiet",
    "Ssh",
    "Thresholds",
    "Waiver",
    "explicit_cluster",
    "load_fleet",
    "schema",
]
