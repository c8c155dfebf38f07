"""The same under the real Prefect, at the points at which most is at stake."""

from __future__ import annotations

import pytest

from nftwave.lab.launch import running_lab
from tests.conftest import CRASH_POINTS
from tests.crash.killing import Point
from tests.crash.scenarios import NODES, SCENARIOS, SPEED, after_the_kill
from tests.crash.under_prefect import UnderPrefect

MIGRATION = next(one for one in SCENARIOS if one.name == "migration")
CANARY_FAILS = next(one for one in SCENARIOS if one.name == "canary-fails")


@pytest.mark.parametrize(
    ("scenario", "point"),
    [
        (MIGRATION, Point("PUT configmaps/kube-proxy", 1, "after")),
        (MIGRATION, Point("DELETE pods", 3, "after")),
        (MIGRATION, Point("PUT leases/nftwave", 1, "before")),
        (CANARY_FAILS, Point("PUT configmaps/kube-proxy", 2, "after")),
    ],
    ids=str,
)
def test_killed_under_prefect_and_given_again_it_comes_to_its_end(
    scenario, point, prefect, tmp_path, record_property
):
    runs = UnderPrefect()
    with running_lab(tmp_path / "lab", nodes=NODES, speed=SPEED) as lab:
        original = scenario.prepare(lab, runs)
        dead = runs.run(lab.directory, scenario.flow, "killed", point=point)
        assert dead.killed, dead
        bad = list(after_the_kill(scenario, original, lab, runs))
    record_property(CRASH_POINTS, [not bad, 1])
    assert not bad, bad
