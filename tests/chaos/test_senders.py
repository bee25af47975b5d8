"""A small version of tests/chaos/senders, and that its judge sees what is wrong."""

import dataclasses

import pytest

from parley.layout import CHECKOUT
from parley.problem import Problem
from sends.frozen import frozen
from sends.ground import ground
from sends.plan import Message, Plan, messages_of
from sends.rates import rates, rates_plan
from sends.storm import storm
from sends.verdict import (
    Arrival,
    Stored,
    Verdict,
    check_duplicates,
    check_fates,
    check_late_writes,
    check_order,
    check_rate,
    check_unconfirmed,
    usage,
)

PLAN = Plan(
    messages=2_000,
    kills=5,
    pauses=1,
    seed=3,
    rate=8,
    per_conversation=2,
    # A conversation waits a minute for one that was neither taken nor refused: too long for here.
    status_5xx_processed_rate=1.0,
    settle_s_max=150,
)
RATES_SECONDS = 20
FROZEN_SECONDS = 8


@pytest.fixture(scope="module")
def place():
    try:
        with ground(PLAN, CHECKOUT / ".local" / "test" / "senders") as started:
            yield started
    except Problem as problem:
        pytest.fail(str(problem), pytrace=False)


def hold(verdict: Verdict, figures: dict) -> None:
    assert verdict.good, f"{dict(verdict.found)}\n{figures}"


@pytest.mark.timeout(300)
def test_kills_pauses_and_faults_break_no_promise(place):
    verdict, figures = storm(place, PLAN, lambda _: None)
    hold(verdict, figures)
    assert figures["kills"] == PLAN.kills


def test_a_replica_stopped_between_journal_and_write_writes_nothing(place):
    hold(*frozen(place, FROZEN_SECONDS, lambda _: None))


@pytest.mark.timeout(240)
def test_a_backlog_uses_its_rate_and_no_more_while_replicas_change():
    plan = rates_plan(dataclasses.replace(PLAN, rate=2))
    with ground(plan, CHECKOUT / ".local" / "test" / "senders-rates") as started:
        hold(*rates(started, RATES_SECONDS, lambda _: None))


# --- The judge -------------------------------------------------------------------------------


def message(n: int, conversation: int = 0) -> Message:
    return Message(f"m{n}", conversation, n, 0, "+15550000000", f"body {n}", 1)


def arrival(n: int, at_us: int = 0, body: str = "") -> Arrival:
    return Arrival(f"m{n}", 1, body or f"body {n}", at_us)


def kinds(check, *arguments) -> set[str]:
    verdict = Verdict()
    check(verdict, *arguments)
    return {kind for kind, examples in verdict.found.items() if examples}


def test_the_judge_sees_what_was_sent_twice():
    assert kinds(check_duplicates, [arrival(1), arrival(2)]) == set()
    assert kinds(check_duplicates, [arrival(1), arrival(2), arrival(1)]) == {"sent twice"}
    assert kinds(check_duplicates, [arrival(1), arrival(2, body="body 1")]) == {"sent twice"}


def test_the_judge_sees_what_is_out_of_order():
    messages = [message(0), message(1), message(2), message(3, conversation=1)]
    assert kinds(check_order, messages, [arrival(0), arrival(3), arrival(1)]) == set()
    # One that never arrived leaves a gap, which is no disorder.
    assert kinds(check_order, messages, [arrival(0), arrival(2)]) == set()
    assert kinds(check_order, messages, [arrival(2), arrival(1)]) == {"out of order"}


@pytest.mark.parametrize(
    ("label", "times_ms", "segments", "rate", "good"),
    [
        ("exactly the rate", range(0, 3_000, 200), 1, 5, True),
        ("one message more", [0, 0, 200, 400, 600, 800, 1_000], 1, 5, True),
        ("two messages more", [0, 0, 0, 200, 400, 600, 800, 1_000], 1, 5, False),
        ("a burst at a border", [900, 910, 920, 930, 940, 1_010, 1_020], 1, 5, False),
        ("late within the tolerance", [0, 200, 400, 600, 800, 960, 970], 1, 5, True),
        ("two segments each at half the pace", range(0, 3_000, 400), 2, 5, True),
        ("two segments each at the pace of one", range(0, 3_000, 200), 2, 5, False),
    ],
)
def test_the_judge_sees_what_is_too_fast(label, times_ms, segments, rate, good):
    requests = [(at * 1_000, segments) for at in times_ms]
    assert kinds(check_rate, label, requests, rate) == (set() if good else {"too fast"}), label


def test_the_judge_measures_how_much_of_a_rate_is_used():
    assert usage([(at, 1) for at in range(0, 10_000_001, 200_000)], 5) == pytest.approx(1.0)
    assert usage([(at, 1) for at in range(0, 10_000_001, 250_000)], 5) == pytest.approx(0.8)


def test_the_judge_sees_late_and_unjournalled_writes():
    journal = {("m1", 1): [1_000_000]}
    assert kinds(check_late_writes, journal, [arrival(1, 1_100_000)]) == set()
    assert kinds(check_late_writes, journal, [arrival(1, 9_000_000)]) == {"written late"}
    assert kinds(check_late_writes, journal, [arrival(1, 900_000)]) == {"not journalled"}
    assert kinds(check_late_writes, journal, [arrival(2, 1_100_000)]) == {"not journalled"}


@pytest.mark.parametrize(
    ("arrived", "inbox", "sender", "found"),
    [
        (True, Stored("delivered"), Stored("sent"), set()),
        (False, Stored("unconfirmed"), Stored("unconfirmed", "UNCONFIRMED_TIMEOUT"), set()),
        (False, Stored("failed", "TWILIO_20003"), Stored("failed"), set()),
        (False, Stored("failed"), Stored("failed"), {"failed without a reason"}),
        (False, Stored("queued"), Stored("queued"), {"lost"}),
        (False, Stored("queued"), Stored("missing"), {"lost"}),
        (False, Stored("sent"), Stored("sent"), {"shown as sent, but never arrived"}),
        (True, Stored("failed", "X"), Stored("failed"), {"arrived, but not shown as sent"}),
        (True, Stored("unconfirmed"), Stored("unconfirmed"), {"evidence ignored"}),
        (False, Stored("unconfirmed"), Stored("sent"), {"inbox and sender differ"}),
    ],
)
def test_the_judge_sees_what_is_lost_or_shown_wrong(arrived, inbox, sender, found):
    arrivals = [arrival(1)] if arrived else []
    assert kinds(check_fates, [message(1)], arrivals, {"m1": inbox}, {"m1": sender}) == found


def test_the_judge_sees_what_no_kill_explains():
    rows = {"m1": Stored("unconfirmed", "UNCONFIRMED_TIMEOUT")}
    assert kinds(check_unconfirmed, rows, {"m1"}) == set()
    assert kinds(check_unconfirmed, rows, set()) != set()


def test_a_plan_is_the_same_for_its_seed():
    plan = Plan(messages=100, numbers=5, per_conversation=4)
    messages = messages_of(plan)
    assert messages == messages_of(plan)
    assert len({message.body for message in messages}) == 100
    assert [m.place for m in messages if m.conversation == 3] == [0, 1, 2, 3]
