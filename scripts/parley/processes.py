"""Process ids that can be trusted: a pid file names a process only while the
process it was written for still lives (its start time is kept beside it)."""

import os
import signal
import time
from pathlib import Path

from parley.layout import write_atomically


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process, or None if it does not run (zombies count as gone)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rsplit(")", 1)[1].split()
    return None if fields[0] in "ZX" else fields[19]


def _identity(run: Path, name: str) -> Path:
    return run / "identity" / name


def write_pid_file(run: Path, name: str, pid: int, stop_signal: int = signal.SIGTERM) -> None:
    """Notes a component's process in NAME.pid, and under identity/ what proves that it is still
    the same one (its start time and the boot) and which signal ends it."""
    _identity(run, name).parent.mkdir(exist_ok=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    write_atomically(_identity(run, name), f"{pid} {start_time(pid)} {boot} {int(stop_signal)}\n")
    write_atomically(run / f"{name}.pid", f"{pid}\n")


def remove_pid_file(run: Path, name: str) -> None:
    (run / f"{name}.pid").unlink(missing_ok=True)
    _identity(run, name).unlink(missing_ok=True)


def read_pid(run: Path, name: str) -> int | None:
    """The process of a component if it still runs; None for a stale or missing pid file."""
    try:
        pid = int((run / f"{name}.pid").read_text(encoding="ascii"))
        known = _identity(run, name).read_text(encoding="ascii").split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    started = start_time(pid)
    if started is None or known[:3] != [str(pid), started, boot]:
        return None
    return pid


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Waits until a process that is not our child has ended."""
    known = start_time(pid)
    deadline = time.monotonic() + timeout_s
    while known is not None and start_time(pid) == known:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signals a component's whole process group (each component leads its own)."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def stop_orphan(run: Path, name: str, timeout_s: float) -> None:
    """Ends a component whose supervisor is gone, with its own signal, then with SIGKILL."""
    pid = read_pid(run, name)
    if pid is not None:
        known = _identity(run, name).read_text(encoding="ascii").split()
        signal_group(pid, signal.Signals(int(known[3])))
        if not wait_gone(pid, timeout_s):
            signal_group(pid, signal.SIGKILL)
            wait_gone(pid, 5.0)
    remove_pid_file(run, name)
