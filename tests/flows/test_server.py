"""The embedded Prefect server: shared while somebody uses it, gone when nobody does."""

from __future__ import annotations

import os

import httpx
import pytest

from flows.server import prefect_api, running_server
from nftwave.errors import BadInput


@pytest.fixture
def no_server_named(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_HOME", raising=False)


def test_a_server_that_the_user_names_is_used_and_none_is_started(tmp_path, prefect, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", prefect)
    with prefect_api(tmp_path) as url:
        assert url == prefect
    assert list(tmp_path.iterdir()) == []
    assert os.environ["PREFECT_API_URL"] == prefect


def test_a_named_server_that_is_away_is_bad_input_before_anything_begins(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with pytest.raises(BadInput, match="no Prefect server answers"), prefect_api(tmp_path):
        pytest.fail("it went on")


def test_runs_at_the_same_time_share_one_server_and_the_last_one_stops_it(
    tmp_path, no_server_named
):
    with prefect_api(tmp_path) as first:
        assert httpx.get(f"{first}/health").is_success
        assert httpx.get(first.removesuffix("/api")).is_success, "the UI is not served"
        del os.environ["PREFECT_API_URL"]
        with prefect_api(tmp_path) as second:
            assert second == first
        assert httpx.get(f"{first}/health").is_success
        os.environ["PREFECT_API_URL"] = first
    assert "PREFECT_API_URL" not in os.environ
    assert running_server(tmp_path) is None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{first}/health")


def test_the_file_of_a_server_that_died_does_not_hinder_the_next(tmp_path, no_server_named):
    (tmp_path / "server.json").write_text('{"url": "http://127.0.0.1:9/api", "pid": "999999"}')
    with prefect_api(tmp_path) as url:
        assert httpx.get(f"{url}/health").is_success


def test_its_folder_is_for_its_owner_only(tmp_path, no_server_named):
    with prefect_api(tmp_path / "home"):
        assert (tmp_path / "home").stat().st_mode & 0o077 == 0
