"""Fixtures of the end-to-end tests. `./test e2e` runs them; `./test e2e -- -k NAME` some."""

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE), str(_HERE.parents[1] / "scripts")]

from harness import Stack  # noqa: E402
from parley.problem import Problem  # noqa: E402


@pytest.fixture(scope="session")
def stack():
    """The whole product, started once for all tests; what they change they put back."""
    started = Stack.in_test_folder()
    try:
        yield started.start()
    except Problem as problem:
        pytest.fail(str(problem), pytrace=False)
    finally:
        started.close()
