"""Fixtures of the chaos tests. `./test chaos` runs them."""

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parent / "e2e"), str(_HERE.parents[1] / "scripts")]

from campaign import chaos_stack  # noqa: E402
from faults import Faults  # noqa: E402

from parley.layout import CHECKOUT  # noqa: E402
from parley.problem import Problem  # noqa: E402


@pytest.fixture(scope="session")
def chaos():
    """A stack for all seeds, and its faults."""
    try:
        with chaos_stack(CHECKOUT / ".local" / "test" / "chaos", disk_mebibytes=24) as (
            stack,
            disk,
        ):
            yield stack, Faults(stack, disk)
    except Problem as problem:
        pytest.fail(str(problem), pytrace=False)
