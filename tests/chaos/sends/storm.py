"""Sends everything through replicas that are killed and paused, and judges what came of it."""

import random
import time
from collections import Counter
from collections.abc import Callable

from sends.ground import Ground
from sends.load import Load
from sends.plan import Plan, messages_of
from sends.verdict import (
    SETTLED,
    Verdict,
    check_duplicates,
    check_fates,
    check_late_writes,
    check_order,
    check_rate,
    check_unconfirmed,
)

Report = Callable[[str], None]


def storm(ground: Ground, plan: Plan, report: Report) -> tuple[Verdict, dict[str, object]]:
    """Runs the plan. Returns what was violated, and figures for people."""
    messages = messages_of(plan)
    ground.simulator.faults(**plan.faults).expect(200)
    began = time.monotonic()
    load = Load(ground.url, ground.api_key, ground.channels, messages).start()
    weather = _Weather(ground, plan)
    try:
        while load.running() or weather.has_more():
            weather.blow(ground.arrived())
            report(f"{load.posted} asked for, {ground.arrived()} arrived, {weather.text()}")
            time.sleep(0.05)
    finally:
        load.stop()
    weather.calm()
    ground.simulator.faults().expect(200)
    _settle(ground, plan, report)
    seconds = time.monotonic() - began
    return _judge(ground, plan, messages, weather, seconds)


class _Weather:
    """Kills and pauses replicas, spread evenly over the run by what has arrived."""

    def __init__(self, ground: Ground, plan: Plan):
        self._ground = ground
        self._plan = plan
        self._dice = random.Random(plan.seed + 1)
        blows = ["kill"] * plan.kills + ["pause"] * plan.pauses
        self._dice.shuffle(blows)
        # Up to nine tenths of the messages, so that each strikes a working sender.
        self._due = [
            (0.9 * plan.messages * (n + self._dice.random()) / len(blows), blow)
            for n, blow in enumerate(blows)
        ]
        self._paused: dict[str, float] = {}  # Until when, by name.
        self.in_flight: set[str] = set()
        self.at_kills: list[int] = []
        self.pauses: list[float] = []
        self.died_paused = 0

    def has_more(self) -> bool:
        return bool(self._due or self._paused)

    def text(self) -> str:
        return f"{len(self.at_kills)} kills, {len(self.pauses)} pauses"

    def blow(self, arrived: int) -> None:
        now = time.monotonic()
        replicas = self._ground.replicas
        for replica in replicas.all:
            if now >= self._paused.get(replica.name, float("inf")):
                del self._paused[replica.name]
                if replica.process.poll() is None:
                    replicas.resume(replica)
                    replica.hurt = False
                else:
                    self.died_paused += 1
        # One that is paused is left alone until its time is over, even where its timer ended it.
        if not self._paused:
            replicas.revive()
        if not self._due or arrived < self._due[0][0]:
            return
        standing = [
            r for r in replicas.all if r.name not in self._paused and r.process.poll() is None
        ]
        if not standing:
            return
        _, blow = self._due.pop(0)
        victim = self._dice.choice(standing)
        if blow == "pause":
            seconds = self._dice.uniform(0.2, self._plan.pause_s_max)
            self.pauses.append(seconds)
            self._paused[victim.name] = now + seconds
            replicas.pause(victim)
            self.in_flight |= self._ground.in_flight()
        else:
            replicas.kill(victim)
            left = self._ground.in_flight()
            self.at_kills.append(len(left))
            self.in_flight |= left
            # A commit that was on its way when the process died is seen by now, too.
            self.in_flight |= self._ground.in_flight()
            replicas.start(victim)

    def calm(self) -> None:
        for replica in self._ground.replicas.all:
            self._ground.replicas.resume(replica)
        self._ground.replicas.revive()


def _settle(ground: Ground, plan: Plan, report: Report) -> None:
    """Waits until every message is settled, and evidence of all that arrived was heard; what is
    missing at the end of the time is left to the verdict."""
    deadline = time.monotonic() + plan.settle_s_max
    while time.monotonic() < deadline:
        ground.replicas.revive()
        shown = ground.shown()
        counts = Counter(row.status for row in shown.values())
        waiting = sum(count for status, count in counts.items() if status not in SETTLED)
        arrived = {arrival.message_id for arrival in ground.arrivals()}
        unheard = sum(1 for i in arrived if shown[i].status not in ("delivered", "undelivered"))
        report(f"{dict(counts)}, {unheard} receipts to come")
        if waiting == 0 and unheard == 0:
            return
        time.sleep(0.5)


def _judge(ground, plan, messages, weather, seconds) -> tuple[Verdict, dict[str, object]]:
    verdict = Verdict()
    arrivals = ground.arrivals()
    shown, queued, journal = ground.shown(), ground.queued(), ground.journal()
    check_duplicates(verdict, arrivals)
    check_order(verdict, messages, arrivals)
    by_id = {message.id: message for message in messages}
    for number in range(plan.numbers):
        ours = [
            (arrival.at_us, by_id[arrival.message_id].segments)
            for arrival in arrivals
            if by_id[arrival.message_id].number == number
        ]
        check_rate(verdict, f"number {number}, as arrived", ours, plan.rate)
    check_late_writes(verdict, journal, arrivals)
    check_fates(verdict, messages, arrivals, shown, queued)
    check_unconfirmed(verdict, queued, weather.in_flight)
    for crash in ground.replicas.crashes:
        verdict.note("a replica crashed", crash)
    unconfirmed = [row for row in queued.values() if row.status == "unconfirmed"]
    figures = {
        "messages": len(messages),
        "arrived": len(arrivals),
        "seconds": round(seconds, 1),
        "kills": len(weather.at_kills),
        "in flight at kills, all replicas": sum(weather.at_kills),
        "pauses, s": [round(pause, 1) for pause in weather.pauses],
        "ended by their timer: paused, others": [
            weather.died_paused,
            ground.replicas.ended_by_timer,
        ],
        "requests journalled": sum(map(len, journal.values())),
        "inbox": dict(Counter(row.status for row in shown.values())),
        "failed, by reason": dict(
            Counter(row.reason for row in shown.values() if row.status == "failed")
        ),
        "unconfirmed, by reason": dict(Counter(row.reason for row in unconfirmed)),
        "checked": dict(verdict.checked),
    }
    return verdict, figures
