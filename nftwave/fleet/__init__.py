"""The fleet file: which clusters there are, how their nodes are reached, and what is allowed."""

from nftwave.fleet.file import Fleet, explicit_cluster, load_fleet, schema
from nftwave.fleet.models import Cluster, Deadlines, Policy, Ssh, Thresholds, Waiver
from nftwave.fleet.source import BadFleet

__all__ = [
    "BadFleet",
    "Cluster",
    "Deadlines",
    "Fleet",
    "Policy",
    "Ssh",
    "Thresholds",
    "Waiver",
    "explicit_cluster",
    "load_fleet",
    "schema",
]
