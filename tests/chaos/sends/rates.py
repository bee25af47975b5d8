"""A backlog uses each number's rate, while replicas leave and come, and never exceeds it."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

from sends.ground import Ground
from sends.load import Load
from sends.plan import Plan, messages_of
from sends.verdict import Verdict, check_order, check_rate, longest_gap_us, usage

_NUMBERS = 6
_USED_MIN = 0.98  # Handovers included: the new owner knows for how long the number is busy.


def rates_plan(plan: Plan) -> Plan:
    """Few numbers, no faults, no kills; conversations of one message each, so that nothing but
    the rate makes anything wait."""
    return replace(
        plan,
        numbers=_NUMBERS,
        per_conversation=1,
        kills=0,
        pauses=0,
        latency_ms=0,
        status_429_rate=0,
        status_5xx_rate=0,
        accept_then_drop_rate=0,
    )


def rates(
    ground: Ground, seconds: float, report: Callable[[str], None]
) -> tuple[Verdict, dict[str, object]]:
    """Sends a backlog for `seconds`, while one replica leaves in an orderly way and one comes."""
    plan = ground.plan
    verdict = Verdict()
    # Two segments now and then: a fifth more than the rate takes in that time.
    plan = replace(plan, messages=int(1.2 * seconds * plan.rate * plan.numbers))
    messages = messages_of(plan)
    by_id = {message.id: message for message in messages}
    ground.simulator.settings(callbacks=False).expect(200)
    load = Load(ground.url, ground.api_key, ground.channels, messages).start()
    while load.running():
        report(f"{load.posted} of {len(messages)} asked for, {ground.arrived()} arrived")
        time.sleep(0.1)
    began_us = time.time() * 1e6
    leaving = ground.replicas.all[0]
    acts = [
        (0.3, lambda: ground.replicas.stop(leaving)),
        (0.6, lambda: ground.replicas.start(leaving)),
    ]
    owners: dict[str, list[int]] = defaultdict(list)
    while (passed := time.time() * 1e6 - began_us) < seconds * 1e6:
        if acts and passed > acts[0][0] * seconds * 1e6:
            acts.pop(0)[1]()
        for number, owner in ground.owners().items():
            if owners[number][-1:] != [owner]:
                owners[number].append(owner)
        report(f"{passed / 1e6:.0f} of {seconds:.0f} s, {ground.arrived()} arrived")
        time.sleep(0.05)
    end_us = began_us + seconds * 1e6
    by_number: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for arrival in ground.arrivals():
        message = by_id[arrival.message_id]
        by_number[message.number].append((arrival.at_us, message.segments))
    used, gaps, handovers = {}, {}, {}
    left = Counter(message.number for message in messages)
    for number, requests in sorted(by_number.items()):
        label = ground.numbers[number]
        check_rate(verdict, label, requests, plan.rate)
        within = [request for request in requests if began_us <= request[0] <= end_us]
        if left[number] == len(requests) and requests[-1][0] < end_us:
            verdict.note("the backlog ended too soon", label)
        used[label] = round(usage(within, plan.rate), 4)
        gaps[label] = round(longest_gap_us(within) / 1e6, 3)
        handovers[label] = len(owners[label]) - 1
        if used[label] < _USED_MIN:
            verdict.note(
                "the rate is not used",
                f"{label}: {used[label]:.1%}, longest gap {gaps[label]} s, "
                f"{handovers[label]} handovers",
            )
    if len(by_number) != plan.numbers:
        verdict.note("numbers did not send", str(plan.numbers - len(by_number)))
    check_order(verdict, messages, ground.arrivals())
    return verdict, {
        "rate per number": plan.rate,
        "share used": used,
        "longest gap, s": gaps,
        "handovers": handovers,
        "messages": len(ground.arrivals()),
    }
