"""A stand-in for Prefect, for processes that are to be killed by the hundred.

Importing Prefect takes 1.5 s and a run under it several seconds, nearly all of them for states and
logs that say nothing of the cluster. What is killed here runs the flow's own function and the very
tasks, called in the same order and on threads as under Prefect, and sends the same requests; only
states, artifacts, pauses and retries of the engine are missing. test_prefect.py kills at some of
the same points under the real one.
"""

from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

from pydantic import BaseModel


class State:
    def __init__(self, *, data: Any = None, completed: bool, name: str = "", message: str = ""):
        self.data, self.name, self.message, self._completed = data, name, message, completed

    def is_final(self) -> bool:
        return True

    def is_completed(self) -> bool:
        return self._completed

    def result(self, *, raise_on_failure: bool = True) -> Any:
        if raise_on_failure and isinstance(self.data, BaseException):
            raise self.data
        return self.data

    @classmethod
    def __class_getitem__(cls, _: Any) -> type[State]:
        return cls


def completed(**given: Any) -> State:
    return State(completed=True, **given)


def not_completed(**given: Any) -> State:
    return State(completed=False, **given)


def _ended(function: Any, args: Any, options: Any) -> State:
    try:
        found = function(*args, **options)
    except Exception as error:  # noqa: BLE001 (Prefect keeps it as the state's data, too)
        return not_completed(data=error, message=str(error))
    return found if isinstance(found, State) else completed(data=found)


class Future:
    def __init__(self, function: Any, args: Any, options: Any):
        self.state: State | None = None

        def run() -> None:
            self.state = _ended(function, args, options)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self, *, raise_on_failure: bool = True) -> Any:
        self._thread.join()
        assert self.state is not None
        return self.state.result(raise_on_failure=raise_on_failure)


class Task:
    def __init__(self, function: Any):
        self.function = function

    def __call__(self, *args: Any, return_state: bool = False, **options: Any) -> Any:
        state = _ended(self.function, args, options)
        return state if return_state else state.result()

    def submit(self, *args: Any, **options: Any) -> Future:
        return Future(self.function, args, options)


def task(function: Any = None, **_: Any) -> Any:
    return Task(function) if function else Task


def flow(function: Any = None, **_: Any) -> Any:
    return function or (lambda wrapped: wrapped)


class TerminationSignal(BaseException):
    def __init__(self, signal: int):
        self.signal = signal


class FlowPauseTimeout(Exception):
    pass


class RunInput(BaseModel):
    @classmethod
    def with_initial_data(cls, **_: Any) -> type[RunInput]:
        return cls


def pause_flow_run(*, wait_for_input: Any, **_: Any) -> Any:
    """Somebody says yes, at once."""
    return wait_for_input(decision="approve", approver="crash test", reason="goes on")


class _FlowRun:
    id, ui_url, run_count = "", "", 1


def install() -> None:
    """Be Prefect for whoever imports it from now on."""
    assert "prefect" not in sys.modules

    def nothing(*_: Any, **__: Any) -> None:
        return None

    contents: dict[str, dict[str, Any]] = {
        "prefect": {"State": State, "flow": flow, "task": task},
        "prefect.artifacts": {
            "create_markdown_artifact": nothing,
            "create_progress_artifact": nothing,
            "create_table_artifact": nothing,
            "update_progress_artifact": nothing,
        },
        "prefect.cache_policies": {"NO_CACHE": None},
        "prefect.client": {},
        "prefect.client.orchestration": {"get_client": nothing},
        "prefect.exceptions": {
            "FlowPauseTimeout": FlowPauseTimeout,
            "TerminationSignal": TerminationSignal,
        },
        "prefect.flow_runs": {"pause_flow_run": pause_flow_run},
        "prefect.input": {"RunInput": RunInput},
        "prefect.runtime": {"flow_run": _FlowRun},
        "prefect.states": {
            "Cancelled": not_completed,
            "Completed": completed,
            "Failed": not_completed,
        },
        "prefect.task_runners": {"ThreadPoolTaskRunner": lambda **_: None},
    }
    for name, members in contents.items():
        module = ModuleType(name)
        module.__dict__.update(members)
        sys.modules[name] = module
