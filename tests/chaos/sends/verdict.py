"""Judges a run by what Twilio noted and what the tables say. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from sends.plan import Message

# A request is not written later than this after its journal entry (DESIGN §6) …
WRITE_BY_US = 500_000
# … and may take this long from the socket to the simulator's note on a busy machine.
TRANSPORT_US = 300_000
RATE_WINDOW_US = 1_000_000
# Arrivals are as exact as this.
RATE_TOLERANCE_US = 50_000

# States in which a message may stay for good.
_REACHED = {"sent", "delivered", "read", "undelivered"}
_EXPLAINED = {"failed", "undelivered"}
SETTLED = _REACHED | _EXPLAINED | {"unconfirmed"}


@dataclass(frozen=True)
class Arrival:
    """A message creation as the simulator noted it, in order of arrival."""

    message_id: str
    attempt: int
    body: str
    at_us: int


@dataclass(frozen=True)
class Stored:
    """A message as a table shows it."""

    status: str
    reason: str = ""


@dataclass
class Verdict:
    """Violations by kind, each with examples; what is not listed is well."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    checked: Counter = field(default_factory=Counter)

    def note(self, kind: str, example: str) -> None:
        self.found[kind].append(example)

    @property
    def good(self) -> bool:
        return not any(self.found.values())


def check_duplicates(verdict: Verdict, arrivals: Iterable[Arrival]) -> None:
    """No message reached Twilio twice, neither by its id nor by its text."""
    for label in ("message_id", "body"):
        counted = Counter(getattr(arrival, label) for arrival in arrivals)
        for value, count in counted.items():
            if count > 1:
                verdict.note("sent twice", f"{label} {value[:40]}: {count} times")


def check_order(verdict: Verdict, messages: Iterable[Message], arrivals: list[Arrival]) -> None:
    """Within a conversation messages arrive in the order in which they were asked for."""
    known = {message.id: message for message in messages}
    last: dict[int, int] = {}
    for arrival in arrivals:
        message = known[arrival.message_id]
        before = last.get(message.conversation, -1)
        if message.place < before:
            verdict.note(
                "out of order",
                f"conversation {message.conversation}: {message.place} arrived after {before}",
            )
        last[message.conversation] = max(before, message.place)
        verdict.checked["arrivals in order"] += 1


def check_rate(
    verdict: Verdict,
    label: str,
    requests: list[tuple[int, int]],
    rate: float,
    tolerance_us: int = RATE_TOLERANCE_US,
) -> None:
    """`requests` are (time in µs, segments) of one number. In no window of one second they may
    exceed the rate by more than one message."""
    requests = sorted(requests)
    first = 0
    segments = 0  # Of first … the one before `last`.
    for last, (at_us, _) in enumerate(requests):
        while at_us - requests[first][0] >= RATE_WINDOW_US - tolerance_us:
            segments -= requests[first][1]
            first += 1
        if segments > rate:
            verdict.note(
                "too fast",
                f"{label}: {segments} segments and one message more within "
                f"{(at_us - requests[first][0]) / 1e6:.3f} s, of {rate:g}/s",
            )
        segments += requests[last][1]
        verdict.checked["rate windows"] += 1


def usage(requests: list[tuple[int, int]], rate: float) -> float:
    """The share of the rate that was used between the first and the last request."""
    requests = sorted(requests)
    span_us = requests[-1][0] - requests[0][0] if len(requests) > 1 else 0
    if span_us <= 0:
        return 0.0
    return sum(segments for _, segments in requests[:-1]) / (rate * span_us / 1e6)


def longest_gap_us(requests: list[tuple[int, int]]) -> int:
    """The longest time without a request, between the first and the last."""
    return max((b[0] - a[0] for a, b in pairwise(sorted(requests))), default=0)


def check_late_writes(
    verdict: Verdict, journal: dict[tuple[str, int], list[int]], arrivals: Iterable[Arrival]
) -> None:
    """Every request has a journal entry before it, and was written soon after it. `journal`:
    times in µs by message and attempt; an attempt that was not written is journalled again."""
    for arrival in arrivals:
        entries = journal.get((arrival.message_id, arrival.attempt), [])
        before = [at_us for at_us in entries if at_us <= arrival.at_us]
        if not before:
            verdict.note("not journalled", f"{arrival.message_id} attempt {arrival.attempt}")
            continue
        late_us = arrival.at_us - max(before)
        if late_us > WRITE_BY_US + TRANSPORT_US:
            verdict.note(
                "written late",
                f"{arrival.message_id}: {late_us / 1000:.0f} ms after its journal entry",
            )
        verdict.checked["journal entries"] += 1


def check_fates(
    verdict: Verdict,
    messages: Iterable[Message],
    arrivals: Iterable[Arrival],
    shown: dict[str, Stored],
    queued: dict[str, Stored],
) -> None:
    """Every message has reached Twilio, failed for a reason, or is unconfirmed; and the inbox
    (`shown`) and the sender's table (`queued`) say what the ledger says."""
    arrived = {arrival.message_id for arrival in arrivals}
    for message in messages:
        inbox = shown.get(message.id, Stored("missing"))
        sender = queued.get(message.id, Stored("missing"))
        text = f"{message.id}: inbox {inbox.status}, sender {sender.status} {sender.reason}"
        if message.id in arrived:
            if inbox.status == "unconfirmed":
                verdict.note("evidence ignored", text)
            elif inbox.status not in _REACHED:
                verdict.note("arrived, but not shown as sent", text)
        elif inbox.status in _REACHED - _EXPLAINED:
            verdict.note("shown as sent, but never arrived", text)
        elif inbox.status == "failed":
            if not inbox.reason:
                verdict.note("failed without a reason", text)
        elif inbox.status != "unconfirmed":
            verdict.note("lost", text)
        if (inbox.status == "unconfirmed") != (sender.status == "unconfirmed"):
            verdict.note("inbox and sender differ", text)
        verdict.checked["messages"] += 1


def check_unconfirmed(
    verdict: Verdict,
    queued: dict[str, Stored],
    in_flight: set[str],
    reason: str = "UNCONFIRMED_TIMEOUT",
) -> None:
    """What a kill left without an outcome was in flight at a kill."""
    for message_id, row in queued.items():
        if row.status == "unconfirmed" and row.reason == reason and message_id not in in_flight:
            verdict.note("unconfirmed, but not in flight at a kill", message_id)
