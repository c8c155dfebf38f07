"""The real flow, a real Prefect server, a lab cluster; and somebody who answers the approval."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from ruamel.yaml import YAML

from nftwave import prove
from nftwave.lab.launch import Lab, running_lab

SPEED = 60


@dataclass
class Cluster:
    """A lab cluster, and what a migration of it needs."""

    lab: Lab
    policy: dict[str, Any] = field(default_factory=lambda: {"batches": {"soak": 0}})

    def __post_init__(self) -> None:
        self.write_policy()

    def write_policy(self, **policy: Any) -> None:
        """This policy, over the one that all runs of a test have."""
        yaml = YAML()
        fleet = yaml.load(self.lab.fleet_file)
        fleet["policy"] = {**self.policy, **policy}
        yaml.dump(fleet, self.lab.fleet_file)

    def migrate(self, approve_by: str = "auto"):
        from flows.running import run_migration

        return run_migration("lab-1", fleet=self.lab.fleet_file, approve_by=approve_by)

    def roll_back(self):
        from flows.running import run_rollback

        return run_rollback("lab-1", fleet=self.lab.fleet_file)

    def begin(self, approve_by: str = "ui") -> Begun:
        """Start a migration that will wait for approval."""
        return Begun(self, approve_by)

    @property
    def state(self) -> dict[str, Any]:
        return self.lab.state()["clusters"]["lab-1"]

    def modes(self) -> dict[str, str]:
        return {name: node["mode"] for name, node in self.state["nodes"].items()}

    def pods(self) -> dict[str, str]:
        return {
            name: (node["kubeProxy"] or {}).get("uid", "")
            for name, node in self.state["nodes"].items()
        }

    def mutations(self) -> list[str]:
        """What was changed, in order, such as `update configmaps/kube-proxy`."""
        return [
            f"{m['verb']} {m['resource']}/{m['name']}" + (" (dry run)" if m["dryRun"] else "")
            for m in self.state["api"]["mutations"]
            # Not the lock: it comes and goes, and is renewed by the clock.
            if "nftwave" in m["userAgent"] and "leases" not in m["resource"]
        ]

    def verify(self, deadline: float):
        from nftwave.fleet import load_fleet
        from nftwave.look import look_at_api
        from nftwave.verify import verify_all

        cluster = load_fleet(self.lab.fleet_file).cluster("lab-1")
        gateway = self.gateway()
        return list(verify_all(look_at_api(cluster, gateway), gateway, deadline=deadline))

    def gateway(self):
        from nftwave.fleet import load_fleet
        from nftwave.kube.connect import connect

        gateway = connect(load_fleet(self.lab.fleet_file).cluster("lab-1"))
        # What a test does by it is somebody else's doing in the audit.
        gateway._client.user_agent = "somebody-else"
        return gateway

    def config_map(self) -> dict[str, Any]:
        from nftwave.kube.resources import CONFIG_MAPS

        return dict(self.gateway().get(CONFIG_MAPS, "kube-proxy", "kube-system"))

    def daemon_set(self) -> dict[str, Any]:
        from nftwave.kube.daemonset import read_daemon_set

        return dict(read_daemon_set(self.gateway()))

    def ledger(self):
        from nftwave import ledger

        return ledger.read(self.gateway())


class Begun:
    """A migration under way in a thread, until it has an outcome."""

    def __init__(self, cluster: Cluster, approve_by: str) -> None:
        self.outcome: Any = None
        self.asked: list[str] = []
        self._answered: set[str] = set()

        def run() -> None:
            self.outcome = cluster.migrate(approve_by)

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def waits_for(self, prefect: str, seconds: float = 40) -> dict[str, Any]:
        """The paused flow run, once it waits for an answer that was not given yet."""
        import time

        import httpx

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = httpx.post(
                f"{prefect}/flow_runs/filter",
                json={"flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}}},
            ).json()
            for run in found:
                key = run["state"]["state_details"]["pause_key"]
                mine = run["parameters"]["fleet"] == self.fleet
                if mine and key not in self._answered:
                    self._answered.add(key)
                    return run
            time.sleep(0.05)
        raise AssertionError("it never asked for approval")

    fleet: str = ""

    def join(self, seconds: float = 90):
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "the migration does not end"
        return self.outcome


@pytest.fixture(autouse=True)
def swift(monkeypatch):
    """Looks at a node follow each other in the lab's time."""
    monkeypatch.setattr(prove, "APART", 0.3)
    monkeypatch.setattr(prove, "FIRST_PAUSE", 0.2)
    monkeypatch.setattr(prove, "LONGEST_PAUSE", 0.5)


@pytest.fixture
def policy() -> dict[str, Any]:
    """What every policy of a test's cluster has; a module may have another one."""
    return {"batches": {"soak": 0}}


@pytest.fixture
def cluster(tmp_path, prefect, policy):
    """A lab cluster of three nodes, as fast as it gets."""
    with running_lab(tmp_path / "lab", nodes=3, speed=SPEED) as lab:
        yield Cluster(lab, policy)


@pytest.fixture
def larger_cluster(tmp_path, prefect, policy):
    """Seven nodes, slower: a rollout in which there is time to stop."""
    with running_lab(tmp_path / "lab", nodes=7, speed=20) as lab:
        yield Cluster(lab, policy)


@pytest.fixture
def slow_cluster(tmp_path, prefect, policy):
    """Seven nodes at a pace at which a rollout can be stopped half-way."""
    with running_lab(tmp_path / "lab", nodes=7, speed=4) as lab:
        yield Cluster(lab, policy)
