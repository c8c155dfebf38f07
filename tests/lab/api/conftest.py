from __future__ import annotations

import pytest

from nftwave.lab.store.store import Store
from tests.lab.api.served import Served, recorded_body, seed_recorded


@pytest.fixture
def served():
    """A server of an empty cluster."""
    server = Served()
    yield server
    server.stop()


@pytest.fixture
def recorded():
    """A server of the recorded cluster."""
    store = Store()
    seed_recorded(store)
    server = Served(store)
    for pod in recorded_body(9)["items"]:
        server.nodes.logs[pod["metadata"]["name"], False] = recorded_body(11)
    yield server
    server.stop()
