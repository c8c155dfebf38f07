"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

CRASH_POINTS = "crash_points"
"""Property of a test that tries crash points: how many passed, and how many there were."""
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


def pytest_terminal_summary(terminalreporter):
    """Tell how many crash points were tried.

    Here and not beside these tests: under xdist the process that reports reads no other conftest.
    """
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    found = [
        value for one in reports for name, value in one.user_properties if name == CRASH_POINTS
    ]
    if found:
        passed, tried = (sum(column) for column in zip(*found, strict=True))
        terminalreporter.write_line(f"crash points: {passed} of {tried} passed")
