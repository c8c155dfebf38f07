"""Prefect's server failing around a run: the outcome is told, and nothing is begun twice."""

from __future__ import annotations

import httpx
import pytest
from prefect.exceptions import PrefectHTTPStatusError
from prefect.states import Completed

from flows import ending, running
from nftwave.errors import NftwaveError


def unavailable():
    request = httpx.Request("POST", "http://127.0.0.1/api/flow_runs/")
    response = httpx.Response(503, request=request)
    return PrefectHTTPStatusError("503", request=request, response=response)


class Flow:
    """Breaks as often as told, before it began or after it ended."""

    def __init__(self, breaks, *, begun=False, outcome=None):
        self.breaks, self.begun, self.outcome, self.starts = breaks, begun, outcome, 0

    def __call__(self, **_):
        self.starts += 1
        broken = self.starts <= self.breaks
        if self.begun or not broken:
            ending._heard.get().begun = True
            ending._heard.get().outcome = self.outcome
        if broken:
            raise unavailable()
        return Completed()


def test_a_run_that_could_not_be_created_is_created_again():
    flow = Flow(2, outcome="told")
    assert running._run(flow) == "told"
    assert flow.starts == 3


def test_a_server_that_stays_away_is_said_in_words():
    flow = Flow(99)
    with pytest.raises(NftwaveError, match="Prefect server failed") as caught:
        running._run(flow)
    assert caught.value.unchanged == "no cluster was touched"
    assert flow.starts == running.STARTS


def test_an_outcome_outlives_the_server():
    flow = Flow(1, begun=True, outcome="told")
    assert running._run(flow) == "told"
    assert flow.starts == 1


def test_what_was_begun_is_not_begun_again():
    flow = Flow(1, begun=True)
    with pytest.raises(NftwaveError) as caught:
        running._run(flow)
    assert caught.value.unchanged is None
    assert flow.starts == 1
