"""A command is killed right before and right after each call by which it changes the cluster.

Given again it comes to the same end as one that nobody killed: no proven node is restarted a second
time, the original can be found at any time, lock and ledger are clean.
"""

from __future__ import annotations

import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.conftest import CRASH_POINTS
from tests.crash.forking import Warm
from tests.crash.scenarios import SCENARIOS, complaints, points

SHARDS = 6
"""Parts of a scenario, for the workers of xdist."""
ALWAYS = 3
"""Parts that every run tries, each with points all over the scenario; `make test-all` tries all."""
TOGETHER = 3
"""Points at a time in one worker: most of the time a cluster is waited for."""


@pytest.fixture(scope="session")
def warm():
    with Warm() as process:
        yield process


@pytest.fixture(scope="session")
def shared(tmp_path_factory) -> Path:
    """A folder for all workers of xdist."""
    base = Path(tmp_path_factory.getbasetemp())
    found = (base.parent if base.name.startswith("popen-") else base) / "crash"
    found.mkdir(exist_ok=True)
    return found


def calls_of(scenario, warm, shared) -> list[str]:
    """The scenario's calls, listed by whichever worker comes first."""
    listing = shared / f"{scenario}.json"
    with (shared / f"{scenario}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not listing.exists():
            with TemporaryDirectory(dir=shared) as folder:
                calls = scenario.calls(Path(folder) / "lab", warm)
            listing.write_text(json.dumps(calls))
    return json.loads(listing.read_text())


@pytest.mark.parametrize(
    "shard",
    [
        *range(ALWAYS),
        *(pytest.param(n, marks=pytest.mark.exhaustive) for n in range(ALWAYS, SHARDS)),
    ],
)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_killed_anywhere_and_given_again_it_comes_to_its_end(
    scenario, shard, warm, shared, tmp_path, record_property
):
    every = points(scenario, calls_of(scenario, warm, shared))
    mine = every[shard::SHARDS]

    def found(place):
        folder = tmp_path / f"{place}"
        folder.mkdir()
        return complaints(scenario, mine[place], folder, warm)

    with ThreadPoolExecutor(TOGETHER) as threads:
        told = dict(zip(mine, threads.map(found, range(len(mine))), strict=True))
    tried = {point: why for point, why in told.items() if why is not None}
    bad = {point: why for point, why in tried.items() if why}
    record_property(CRASH_POINTS, [len(tried) - len(bad), len(tried)])
    assert not bad, "\n".join(f"{point}: {'; '.join(why)}" for point, why in bad.items())
