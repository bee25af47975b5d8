"""Twenty small versions of tests/chaos/run: some hundred webhooks, one to three quick faults."""

import pytest
from campaign import Load, run_campaign

LOAD = Load(webhooks=300, per_second=120, customers=40, connections=20)


@pytest.mark.parametrize("seed", range(1, 21))
def test_what_was_acknowledged_is_stored_once_and_in_order(chaos, seed):
    stack, faults = chaos
    notes = [f"seed {seed}"]
    verdict = run_campaign(stack, faults.small_plan(seed), LOAD, seed, notes.append).verdict()
    assert not verdict.violations, "\n".join([*notes, str(verdict.counts), *verdict.violations])


def test_a_broken_store_is_seen(chaos):
    """Each promise of the verdict is broken once by hand: a comparison that sees nothing proves
    nothing."""
    stack, _ = chaos
    run = run_campaign(stack, [], Load(webhooks=300, customers=20, connections=10), seed=999)
    assert not run.verdict().violations
    rows = run.store.messages()
    texts = {}  # Three texts of each conversation, by their place.
    for conversation, sid, seq, _ in rows:
        texts.setdefault(conversation, []).append((sid, seq))
    a, b, c = list(texts)[:3]
    lost, swapped, twice = texts[a][1][0], texts[b][:2], texts[c][1]
    for statement in (
        f"DELETE FROM gateway.messages WHERE message_sid = '{lost}'",
        f"UPDATE gateway.messages SET seq = 100000 WHERE message_sid = '{swapped[0][0]}'",
        f"UPDATE gateway.messages SET message_sid = '{texts[c][0][0]}' "
        f"WHERE message_sid = '{twice[0]}'",
    ):
        stack.query(statement)
    found = "\n".join(run.verdict().violations)
    for what in ("not stored", "stored twice", "out of order", "half there"):
        assert what in found, found
