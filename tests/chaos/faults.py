"""What goes wrong, and in which order: a plan follows from its seed alone."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from parley.components import INFRA

# How long a component may take to be ready again.
READY_SECONDS_MAX = 60.0


class SpoolDisk:
    """A small file system of its own under webhook-ingest's folder, which can be filled.

    Needs the right to mount; without it (`possible` is false) plans leave the full disk out.
    """

    def __init__(self, folder: Path, mebibytes: int):
        self._folder = folder
        self._filler = folder / "filler"
        self._mebibytes = mebibytes
        self.possible = False

    def __enter__(self) -> "SpoolDisk":
        self._folder.mkdir(parents=True, exist_ok=True)
        size = f"size={self._mebibytes}m,mode=0700"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(self._folder)],
            capture_output=True,
            check=False,
        )
        self.possible = done.returncode == 0
        return self

    def __exit__(self, *_) -> None:
        self.unmount()

    def unmount(self) -> None:
        while os.path.ismount(self._folder):
            subprocess.run(["umount", "-l", str(self._folder)], check=True)

    def fill(self) -> None:
        """Takes all the room that is left, down to the last byte."""
        with open(self._filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:  # Until there is no room for a byte.
                file.write(bytes(1 << 20))
        assert shutil.disk_usage(self._folder).free < 1 << 12

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, and is well again when `apply` returns."""

    name: str
    apply: Callable[[], None]


class Faults:
    """Makes faults of a running stack."""

    def __init__(self, stack, disk: SpoolDisk):
        self._stack = stack
        self._disk = disk

    def outage(self, component: str, seconds: float) -> Fault:
        """Stopped for some time."""

        def apply() -> None:
            self._stack.stop_component(component)
            time.sleep(seconds)
            self._stack.start_component(component)

        return Fault(f"{component} away for {seconds:.1f} s", apply)

    def kills(self, component: str, times: int, pauses: list[float]) -> Fault:
        """kill -9, again once it is ready and has worked for a while."""

        def apply() -> None:
            for number in range(times):
                old = self._stack.kill(component)
                self._wait_new(component, old)
                time.sleep(pauses[number % len(pauses)])

        return Fault(f"{component} killed {times} times", apply)

    def frozen(self, component: str, seconds: float) -> Fault:
        """Stopped in its tracks, as a machine that swaps or migrates."""

        def apply() -> None:
            pid = self._stack.pause(component)
            time.sleep(seconds)
            os.kill(pid, signal.SIGCONT)

        return Fault(f"{component} frozen for {seconds:.1f} s", apply)

    def disk_full(self, seconds: float, kafka_away: bool) -> Fault:
        """No room under the spool, while it is needed or not."""

        def apply() -> None:
            if kafka_away:
                self._stack.stop_component("kafka")
                time.sleep(seconds / 4)
            self._disk.fill()
            time.sleep(seconds)
            self._disk.free()
            if kafka_away:
                time.sleep(seconds / 4)
                self._stack.start_component("kafka")

        text = ", Kafka away" if kafka_away else ""
        return Fault(f"disk full for {seconds:.1f} s{text}", apply)

    def _wait_new(self, component: str, old: int) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while self._stack.pid(component) in (None, old) or not self._stack.is_ready(component):
            assert time.monotonic() < deadline, f"{component} did not come back"
            time.sleep(0.05)

    # --- Plans ---

    def whole_plan(self, seed: int) -> list[Fault]:
        """Everything that issue 4 asks for, in an order that the seed gives."""
        lots = random.Random(seed)
        pauses = [lots.uniform(0.3, 2.0) for _ in range(10)]
        plan = [self.outage(name, 30.0) for name in INFRA]
        plan += [self.kills(name, 10, pauses) for name in ("webhook-ingest", "gateway")]
        if self._disk.possible:
            plan += [self.disk_full(10.0, kafka_away=True), self.disk_full(10.0, kafka_away=False)]
        lots.shuffle(plan)
        return plan

    def small_plan(self, seed: int) -> list[Fault]:
        """One to three quick ones."""
        lots = random.Random(seed)
        seconds = lots.uniform(0.3, 1.5)
        pauses = [lots.uniform(0.0, 0.5)]
        makers = [
            lambda: self.outage("kafka", seconds),
            lambda: self.outage("postgres", seconds),
            lambda: self.outage("redis", seconds),
            lambda: self.kills("webhook-ingest", lots.randint(1, 3), pauses),
            lambda: self.kills("webhook-ingest", 1, pauses),
            lambda: self.kills("gateway", lots.randint(1, 2), pauses),
            lambda: self.frozen("gateway", seconds),
            lambda: self.frozen("webhook-ingest", seconds),
            lambda: self.frozen("kafka", 2.0 + seconds),
            lambda: self.kills("kafka", 1, pauses),
            lambda: self.kills("postgres", 1, pauses),
        ]
        if self._disk.possible:
            makers += [
                lambda: self.disk_full(seconds, kafka_away=True),
                lambda: self.disk_full(seconds, kafka_away=False),
            ]
        # The first by turns, so that a few seeds meet each of them.
        first = makers[seed % len(makers)]
        others = lots.sample(makers, lots.randint(0, 2))
        return [make() for make in (first, *others)]
