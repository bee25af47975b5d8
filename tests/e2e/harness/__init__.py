"""Starts the whole product for end-to-end tests; see stack.py."""

from harness.http import Answer
from harness.stack import Stack
from harness.wait import wait_until

__all__ = ["Answer", "Stack", "wait_until"]
