"""One run: webhooks flow while faults come, then the store is compared with what was sent."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from faults import Fault, SpoolDisk
from verify import Sent, Store, Verdict, read_ledger, verify

from harness import Stack
from parley.layout import Layout

# Customers of one run; the next run's begin behind them.
CUSTOMERS_MAX = 10_000
FIRST_CUSTOMER = 2_000_000
_NOTE_SECONDS = 5.0


@dataclass(frozen=True)
class Load:
    """How much is sent."""

    webhooks: int  # At least; it goes on while faults come.
    per_second: int = 0  # 0: as fast as it is answered.
    customers: int = 512
    connections: int = 64
    # How long the store may take to catch up, once nothing is sent any more.
    catch_up_seconds_max: float = 60.0


@contextlib.contextmanager
def chaos_stack(
    folder: Path, disk_mebibytes: int, build: Path = Layout.build
) -> Iterator[tuple[Stack, SpoolDisk]]:
    """The product in a folder and on ports of its own, its spool on a disk that can be filled, no
    AI. Everything is stopped and unmounted at the end."""
    disk = SpoolDisk(folder / "webhook-ingest", disk_mebibytes)
    disk.unmount()  # What an interrupted run left.
    stack = Stack.in_folder(folder, build=build)
    with disk:
        try:
            stack.start()
            channel = f"/v1/channels/{stack.credentials['channel_id']}"
            stack.call("PATCH", channel, {"ai": {"enabled": False}}).expect(200)
            yield stack, disk
        finally:
            stack.close()


class Sender:
    """parley-webhook-load, running."""

    def __init__(self, stack: Stack, load: Load, seed: int, first_customer: int):
        self.ledger = stack.layout.data / f"ledger-{seed}"
        self._process = subprocess.Popen(
            [
                str(stack.layout.binary("parley-webhook-load")),
                f"--credentials={stack.layout.credentials}",
                f"--webhooks={load.webhooks}",
                "--until-stopped",
                f"--connections={load.connections}",
                f"--rate={load.per_second}",
                f"--customers={load.customers}",
                f"--first-customer={first_customer}",
                f"--seed={seed}",
                f"--ledger={self.ledger}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # Its progress.
            text=True,
        )

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()

    def finish(self, seconds_max: float) -> dict:
        """Ends it once it has sent what it must; what it says of itself."""
        output, _ = self._process.communicate("", timeout=seconds_max)
        assert self._process.returncode == 0, f"it ended with {self._process.returncode}"
        return json.loads(output)


def _wait_stored(
    store: Store, sent: dict[str, Sent], seconds_max: float, note: Callable[[str], None]
) -> None:
    """Until the store holds as many as were acknowledged and no more come; not longer than given
    after the last one came. Says nothing of which: verify does."""
    wanted = sum(ours.acknowledged for ours in sent.values())
    last, since, noted = -1, time.monotonic(), 0.0
    while True:
        now = store.count()
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() - noted > _NOTE_SECONDS:
            noted = time.monotonic()
            note(f"{now:,} of {wanted:,} stored")
        quiet = time.monotonic() - since
        if quiet > seconds_max or (now >= wanted and quiet > 1.0):
            return
        time.sleep(0.25)


@dataclass(frozen=True)
class Run:
    """What was sent to a stack, and where it should be."""

    sent: dict[str, Sent]
    store: Store
    summary: dict

    def verdict(self) -> Verdict:
        verdict = verify(self.sent, self.store)
        summary = self.summary
        verdict.counts |= {"tries refused": summary["refused"], "unanswered": summary["unanswered"]}
        verdict.counts["webhooks/s"] = round(summary["begun"] / max(summary["seconds"], 0.001))
        return verdict


def run_campaign(
    stack: Stack,
    plan: list[Fault],
    load: Load,
    seed: int,
    note: Callable[[str], None] = lambda text: None,
) -> Run:
    """Sends, applies the faults in turn, and waits for the store. Takes as long as the faults do,
    and what remains to be sent and to be stored."""
    first = FIRST_CUSTOMER + (seed * CUSTOMERS_MAX) % 7_000_000
    with Sender(stack, load, seed, first) as sender:
        for fault in plan:
            note(fault.name)
            fault.apply()
        note("no more faults")
        summary = sender.finish(600)
    sent = read_ledger(sender.ledger)
    store = Store(stack, f"+1555{first:07d}", f"+1555{first + load.customers - 1:07d}")
    _wait_stored(store, sent, load.catch_up_seconds_max, note)
    return Run(sent, store, summary)
