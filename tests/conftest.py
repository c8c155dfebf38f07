"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """What a real API server and real nodes answered."""
    return RECORDINGS


@pytest.fixture(scope="session")
def prefect(tmp_path_factory):
    """One embedded server for all tests, also for those of other xdist workers."""
    from flows.server import prefect_api

    home = Path(tmp_path_factory.getbasetemp())
    if home.name.startswith("popen-"):
        home = home.parent
    with prefect_api(home / "prefect") as url:
        yield url
