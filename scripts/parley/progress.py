"""Says what is going on and how far it is: one line for each step.

On a terminal the line of the running step is redrawn; elsewhere (a log, CI) a
step prints when it begins, every ten seconds, and when it ends.
"""

import sys
import threading
import time

_QUIET_SECONDS = 10.0


class Step:
    """One running step. update() may be called from any thread."""

    def __init__(self, progress: "Progress", title: str):
        self._progress = progress
        self._title = title
        self._began = time.monotonic()
        self._printed = self._began
        self._how_far = ""
        self._lock = threading.Lock()

    def __enter__(self) -> "Step":
        self._progress.line(f"{self._title} …", live=True)
        return self

    def update(self, how_far: str) -> None:
        """How far it is: "120 of 341 files"."""
        with self._lock:
            if how_far == self._how_far:
                return
            self._how_far = how_far
            now = time.monotonic()
            if not self._progress.terminal and now - self._printed < _QUIET_SECONDS:
                return
            self._printed = now
            passed = int(now - self._began)
            self._progress.line(f"{self._title}: {how_far} ({passed} s)", live=True)

    def __exit__(self, kind, *_) -> None:
        seconds = time.monotonic() - self._began
        if kind is None:
            self._progress.line(f"{self._title}: done in {seconds:.1f} s")
        else:
            self._progress.line(f"{self._title}: failed after {seconds:.1f} s")


class Progress:
    """Prints the steps of one command, numbered "[2/5]"."""

    def __init__(self, steps: int, out=None):
        self._out = out or sys.stdout
        self.terminal = self._out.isatty()
        self._steps = steps
        self._step = 0
        self._live = False
        self._lock = threading.RLock()

    def step(self, title: str) -> Step:
        self._step += 1
        return Step(self, f"[{self._step}/{max(self._steps, self._step)}] {title}")

    def note(self, text: str) -> None:
        """A line that stays, beside the steps."""
        self.line(f"      {text}")

    def line(self, text: str, live: bool = False) -> None:
        """Prints a line; on a terminal a live one is replaced by the next."""
        with self._lock:
            if self._live:
                self._out.write("\r\x1b[K")
            self._live = live and self.terminal
            self._out.write(text if self._live else text + "\n")
            self._out.flush()
