"""The supervisor, with real processes: small shell scripts play the components."""

import os
import signal
import subprocess
import time

import pytest

from parley import processes
from parley.infra import wait_until
from parley.layout import Layout, Ports
from parley.supervise import Spec, Supervisor


@pytest.fixture
def layout(tmp_path):
    made = Layout(data=tmp_path / ("long" * 30), ports=Ports())  # Longer than a socket's path.
    made.make_folders()
    yield made
    Supervisor(made.run).end()


@pytest.fixture
def supervisor(layout):
    started = Supervisor(layout.run)
    started.ensure()
    return started


def spec(layout, name="one", script="exec sleep 1000", **more):
    return Spec(
        name=name,
        command=["/bin/sh", "-c", script],
        environment={"PATH": "/usr/bin:/bin"},
        log=str(layout.log / f"{name}.log"),
        **more,
    )


def pid_of(layout, name="one"):
    return processes.read_pid(layout.run, name)


def test_a_killed_component_is_back_within_a_second(layout, supervisor):
    supervisor.start(spec(layout))
    for _ in range(3):
        old = pid_of(layout)
        began = time.monotonic()
        os.kill(old, signal.SIGKILL)
        assert wait_until(lambda old=old: pid_of(layout) not in (None, old), timeout_s=5)
        assert time.monotonic() - began < 1.0
    assert supervisor.status()["one"]["restarts"] == 3


def test_the_pid_file_holds_the_pid_alone(layout, supervisor):
    supervisor.start(spec(layout))
    text = (layout.run / "one.pid").read_text()
    assert text == f"{supervisor.status()['one']['pid']}\n"


def test_a_stopped_component_stays_stopped(layout, supervisor):
    supervisor.start(spec(layout))
    pid = pid_of(layout)
    supervisor.stop(["one"])
    assert processes.start_time(pid) is None
    assert not (layout.run / "one.pid").exists()
    assert supervisor.status()["one"]["state"] == "stopped"
    supervisor.start(spec(layout, name="two"))  # Another command must not wake it.
    assert supervisor.status()["one"]["state"] == "stopped"


def test_one_that_ignores_the_signal_is_killed(layout, supervisor):
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    supervisor.start(spec(layout, script=script, stop_seconds=0.2))
    assert wait_until(lambda: "up" in (layout.log / "one.log").read_text(), timeout_s=5)
    supervisor.stop(["one"])
    assert supervisor.status()["one"]["last_exit"] == -signal.SIGKILL


def test_children_of_a_killed_component_end_with_it(layout, supervisor):
    script = "sleep 1000 & echo child $!; wait"
    supervisor.start(spec(layout, script=script))
    log = layout.log / "one.log"
    assert wait_until(lambda: "child" in log.read_text(), timeout_s=5)
    child = int(log.read_text().split()[1])
    os.kill(pid_of(layout), signal.SIGKILL)
    assert processes.wait_gone(child, timeout_s=5)


def test_one_that_keeps_dying_waits_longer_and_longer(layout, supervisor):
    supervisor.start(spec(layout, script="echo died; exit 3"))
    assert wait_until(lambda: supervisor.status()["one"]["quick_deaths"] >= 4, timeout_s=10)
    facts = supervisor.status()["one"]
    assert facts["state"] == "waiting"
    assert facts["last_exit"] == 3


def test_a_program_that_is_missing_is_said(layout, supervisor):
    missing = Spec(
        name="one", command=["/missing/program"], environment={}, log=str(layout.log / "one.log")
    )
    supervisor.start(missing)
    assert "/missing/program cannot be started" in supervisor.status()["one"]["error"]


def test_starting_again_changes_nothing_unless_the_spec_changed(layout, supervisor):
    supervisor.start(spec(layout))
    pid = pid_of(layout)
    supervisor.start(spec(layout))
    assert pid_of(layout) == pid
    supervisor.start(spec(layout, version="2"))
    assert pid_of(layout) not in (None, pid)


def test_what_a_killed_supervisor_left_is_taken_over(layout, supervisor):
    supervisor.start(spec(layout))
    orphan = pid_of(layout)
    os.kill(pid_of(layout, "supervisor"), signal.SIGKILL)
    assert wait_until(lambda: not supervisor.alive(), timeout_s=5)
    assert processes.start_time(orphan) is not None
    supervisor.ensure()
    assert processes.start_time(orphan) is None
    supervisor.start(spec(layout))
    assert pid_of(layout) not in (None, orphan)


def test_ending_leaves_no_process(layout, supervisor):
    supervisor.start(spec(layout))
    supervisor.start(spec(layout, name="two"))
    pids = [pid_of(layout, name) for name in ("one", "two", "supervisor")]
    supervisor.end()
    assert [processes.start_time(pid) for pid in pids] == [None, None, None]
    assert list(layout.run.glob("*.pid")) == []


def test_a_pid_file_of_another_process_is_stale(layout):
    with subprocess.Popen(["/bin/sleep", "1000"]) as other:
        try:
            processes.write_pid_file(layout.run, "one", other.pid)
            assert processes.read_pid(layout.run, "one") == other.pid
            identity = layout.run / "identity" / "one"
            identity.write_text(identity.read_text().replace(str(other.pid), "", 1))
            assert processes.read_pid(layout.run, "one") is None
            processes.stop_orphan(layout.run, "one", timeout_s=1)
            assert other.poll() is None, "a process that is not ours was ended"
        finally:
            other.kill()


def test_a_long_log_is_moved_aside(layout, supervisor):
    log = layout.log / "one.log"
    with open(log, "wb") as file:
        file.truncate((64 << 20) + 1)
    supervisor.start(spec(layout, script="echo new; exec sleep 1000"))
    assert wait_until(lambda: log.read_bytes() == b"new\n", timeout_s=5)
    assert (layout.log / "one.log.1").stat().st_size == (64 << 20) + 1
