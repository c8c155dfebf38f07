"""A step runs as a Prefect task, and its error ends whoever called it."""

from __future__ import annotations

import pytest

from nftwave.errors import Blocked, Unreachable


def test_an_error_of_a_step_reaches_the_caller_and_the_task_run_is_failed(prefect):
    from prefect import flow
    from prefect.client.orchestration import get_client

    from tasks.step import step

    went_on = []

    @step("a step of {name}")
    def breaks(name: str) -> None:
        raise Blocked("it would break", cluster=name, next_step="mend it")

    @flow(persist_result=False)
    def steps() -> str:
        from prefect.runtime import flow_run

        with pytest.raises(Blocked, match="it would break"):
            went_on.append(breaks("c1"))
        return str(flow_run.id)

    run = steps()
    assert went_on == []
    found = _task_runs(get_client(sync_client=True), run)
    assert [(t.name, t.state.name) for t in found] == [("a step of c1", "Failed")]
    assert "next: mend it" in found[0].state.message


def _task_runs(client, flow_run):
    import time

    from prefect.client.schemas.filters import FlowRunFilter

    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [flow_run]}))
        if found and all(t.state and t.state.is_final() for t in found):
            return found
        time.sleep(0.1)
    raise AssertionError("the task run was never recorded as ended")


@pytest.mark.parametrize("error", [Unreachable("x"), ValueError("a bug"), KeyboardInterrupt()])
def test_no_error_of_any_kind_is_swallowed(prefect, error):
    from prefect import flow

    from tasks.step import step

    @step("a step")
    def breaks() -> None:
        raise error

    @flow(persist_result=False)
    def steps() -> None:
        with pytest.raises(type(error)):
            breaks()

    steps()


def test_a_step_gives_back_what_its_function_does(prefect):
    from prefect import flow

    from tasks.step import step

    @step("a step")
    def doubles(number: int) -> int:
        return number * 2

    @flow(persist_result=False)
    def steps() -> int:
        return doubles(4)

    assert steps() == 8
