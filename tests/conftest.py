"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parent / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """What a real API server and real nodes answered."""
    return RECORDINGS
