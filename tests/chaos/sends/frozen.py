"""A replica is stopped between the journal's commit and the request, and continued much later."""

import os
import signal
import time
import uuid
from collections.abc import Callable

from sends.ground import Ground
from sends.load import Load
from sends.plan import Message
from sends.verdict import Verdict

_BODY = "frozen between journal and write"
_FIND_SECONDS_MAX = 30.0
# What is allowed to pass between the journal and the request is longer than this.
_HOLD_S = 0.35

# Holds the commit of that message's journal entry, so that the process can be stopped before it
# hears of it.
_HOLD = f"""
CREATE FUNCTION chaos.hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep({_HOLD_S});
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER chaos_hold AFTER UPDATE ON sender.deliveries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (OLD.state = 'queued' AND NEW.state = 'sending' AND NEW.body = '{_BODY}')
EXECUTE FUNCTION chaos.hold();
"""


def frozen(
    ground: Ground, seconds: float, report: Callable[[str], None]
) -> tuple[Verdict, dict[str, object]]:
    """Stops the replica that has just journalled a message for `seconds`. It must not write it,
    and after its deadline the message is unconfirmed."""
    verdict = Verdict()
    _warm_up(ground)
    ground.execute(_HOLD)
    message = _message(_BODY)
    load = Load(ground.url, ground.api_key, ground.channels, [message]).start()
    pid = _stop_in_commit(ground)
    stopped = time.monotonic()
    load.stop()
    row = _wait(lambda: ground.queued().get(message.id), "the row is not there")
    _wait(lambda: ground.queued()[message.id].status == "sending", "it was not journalled")
    died_after = None
    while time.monotonic() - stopped < seconds:
        if died_after is None and ground.replicas.of_process(pid).process.poll() is not None:
            died_after = time.monotonic() - stopped
        report(f"stopped for {time.monotonic() - stopped:.0f} s")
        time.sleep(0.1)
    if died_after is None:
        os.kill(pid, signal.SIGCONT)
        verdict.note("it outlived its leases", f"alive after {seconds:.0f} s")
        time.sleep(2)  # For whatever it writes now.
    _wait(
        lambda: ground.shown()[message.id].status == "unconfirmed"
        or any(arrival.message_id == message.id for arrival in ground.arrivals()),
        "it is not unconfirmed",
    )
    if any(arrival.message_id == message.id for arrival in ground.arrivals()):
        verdict.note("written late", message.id)
    row = ground.queued()[message.id]
    if row.status != "unconfirmed" or not row.reason:
        verdict.note("not unconfirmed", f"{row.status} {row.reason}")
    # Who else sends goes on.
    ground.replicas.revive()
    other = _message("after the frost")
    Load(ground.url, ground.api_key, ground.channels, [other]).start()
    _wait(lambda: any(a.message_id == other.id for a in ground.arrivals()), "nobody sends on")
    return verdict, {
        "stopped for, s": round(seconds, 1),
        "died after, s": died_after and round(died_after, 1),
        "message": f"{row.status} {row.reason}",
    }


def _message(body: str) -> Message:
    # Customers of their own: none waits for another.
    return Message(
        id=str(uuid.uuid4()),
        conversation=0,
        place=0,
        number=0,
        customer=f"+1555{uuid.uuid4().int % 1_000_000 + 4_000_000:07d}",
        body=body,
        segments=1,
    )


def _warm_up(ground: Ground) -> None:
    """One message goes through, so that the lane and its owner are known."""
    first = _message("before the frost")
    Load(ground.url, ground.api_key, ground.channels, [first]).start()
    _wait(lambda: any(a.message_id == first.id for a in ground.arrivals()), "nothing is sent")


def _stop_in_commit(ground: Ground) -> int:
    """Stops (SIGSTOP) the owner of the number while its commit is held. Its process id."""
    deadline = time.monotonic() + _FIND_SECONDS_MAX
    pid = ground.owners()[ground.numbers[0]]
    while time.monotonic() < deadline:
        if ground.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            replica = ground.replicas.of_process(pid)
            if replica is None:
                raise RuntimeError("the number's owner is none of ours")
            ground.replicas.pause(replica)
            return pid
        time.sleep(0.005)
    raise RuntimeError("no commit was held")


def _wait(condition, what: str, seconds: float = 60.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(what)
        time.sleep(0.05)
    return value
