"""Waiting for conditions, in place of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value],
    timeout_s: float = 10.0,
    what: str | Callable[[], str] = "",
    step_s: float = 0.02,
) -> Value:
    """Polls until `condition` returns something true, and returns that.

    Fails with `what` (a text, or a function that describes the state) after
    `timeout_s`. An AssertionError inside the condition counts as "not yet", and
    is raised if it is the last word: a condition may be a group of asserts.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        refused: AssertionError | None = None
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            refused = error
        if time.monotonic() >= deadline:
            if refused is not None:
                raise refused
            text = what() if callable(what) else what
            raise AssertionError(f"not within {timeout_s} s: {text or condition}")
        time.sleep(step_s)
