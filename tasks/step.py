"""What all tasks of a migration have in common.

Expected errors (our own) end a task as Failed with one clear message. Prefect would log the
traceback of a raised exception to the UI, where it helps nobody; so the error is returned as the
state's data, and Prefect raises it again in the flow.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from nftwave.errors import NftwaveError

P = ParamSpec("P")
R = TypeVar("R")


def step(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A step that runs as a Prefect task of its own; called as the plain function is.

    Nothing is cached and no result is kept: what the cluster says is the only source of truth.
    An error ends the caller too: a task that returns a Failed state would not do that by itself.

    Args:
        name: name of the task run; `{parameter}` and attributes of parameters are filled in.
    """

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except NftwaveError as error:
                # Prefect unwraps a returned state; its types do not know that.
                return Failed(message="\n".join(error.lines()), data=error)  # type: ignore[return-value]

        as_task = task(task_run_name=name, cache_policy=NO_CACHE, persist_result=False)(run)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            state: State[R] = as_task(*args, **kwargs, return_state=True)
            result = state.result(raise_on_failure=False)
            if isinstance(result, BaseException):
                raise result
            if not state.is_completed():
                raise NftwaveError(f"{function.__name__} did not complete: {state.message}")
            return result

        return call

    return wrap


class _NoEmptyTraceback(logging.Filter):
    """Prefect logs a returned Failed state with `exc_info` of no exception: `NoneType: None`."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[0] is None:
            record.exc_info = None
        return True


logging.getLogger("prefect.task_runs").addFilter(_NoEmptyTraceback())
