"""Twenty small versions of tests/chaos/run: some hundred webhooks, one to three quick faults."""

import pytest
from campaign import Load, run_campaign

LOAD = Load(webhooks=300, per_second=120, customers=40, connections=20)


@pytest.mark.parametrize("seed", range(1, 21))
def test_what_was_acknowledged_is_stored_once_and_in_order(chaos, seed):
    stack, faults = chaos
    plan = faults.small_plan(seed)
    notes = [f"seed {seed}"]
    verdict = run_campaign(stack, plan, LOAD, seed, notes.append)
    assert not verdict.violations, "\n".join([*notes, str(verdict.counts), *verdict.violations])
