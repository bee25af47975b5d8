"""The supervisor: keeps components running, and its client side.

One supervisor per installation is the parent of every component, so it hears of
a death at once, starts the component again (with a growing wait if it keeps
dying) and rewrites its pid file. It knows nothing about the components: each
comes as a Spec over a Unix socket in the run folder, which only its owner can
open. A component that was stopped on purpose stays stopped.

    python3 -m parley.supervise RUN_FOLDER     (what Supervisor.ensure() starts)
"""

import dataclasses
import errno
import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from parley import processes
from parley.problem import Problem

LOG_BYTES_MAX = 64 << 20  # A log that grows beyond is moved to NAME.log.1.
REQUEST_BYTES_MAX = 4 << 20
# The waits before a component is started again. The first are short, so that a
# killed service is back within a second; a component that ran for
# STEADY_SECONDS begins anew.
RESTART_WAITS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 5.0
# A supervisor that has nothing to do for so long ends by itself.
IDLE_SECONDS_MAX = 30.0


@dataclasses.dataclass(frozen=True)
class Spec:
    """How to run one component."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: str
    user: str = ""  # Empty: the supervisor's own.
    folder: str = "/"
    stop_signal: int = int(signal.SIGTERM)
    stop_seconds: float = 30.0  # Then SIGKILL. The services drain within 25 s.
    # Changes when the component must be restarted to be up to date: its binary
    # or its configuration file changed.
    version: str = ""


class _Component:
    """One component inside the supervisor."""

    def __init__(self, spec: Spec):
        self.spec = spec
        self.process: subprocess.Popen | None = None
        self.wanted = False
        self.started_at = 0.0
        self.start_at: float | None = None  # When to start it again.
        self.kill_at: float | None = None
        self.quick_deaths = 0
        self.restarts = 0
        self.last_exit: int | None = None
        self.error = ""

    def state(self) -> str:
        if self.process is not None:
            return "running" if self.wanted else "stopping"
        return "waiting" if self.wanted else "stopped"

    def describe(self) -> dict:
        return {
            "state": self.state(),
            "pid": self.process.pid if self.process else None,
            "uptime_s": time.monotonic() - self.started_at if self.process else None,
            "restarts": self.restarts,
            "quick_deaths": self.quick_deaths,
            "last_exit": self.last_exit,
            "error": self.error,
            "spec": dataclasses.asdict(self.spec),
        }


class Server:
    """The supervisor's own process: one thread, one loop."""

    def __init__(self, run: Path):
        self._run = run
        self._components: dict[str, _Component] = {}
        self._selector = selectors.DefaultSelector()
        self._ending = False

    def serve(self) -> None:
        lock = os.open(self._run / "supervisor.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # Another one serves this folder.
        self._stop_orphans()
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        listener = self._listen()
        processes.write_pid_file(self._run, "supervisor", os.getpid())
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(wake_read, selectors.EVENT_READ)
        next_log_check = time.monotonic() + 10
        busy_at = time.monotonic()
        while True:
            if any(c.process or c.wanted for c in self._components.values()):
                busy_at = time.monotonic()
            elif self._ending or time.monotonic() - busy_at > IDLE_SECONDS_MAX:
                break
            for key, _ in self._selector.select(self._wait_seconds()):
                if key.fileobj is listener:
                    self._answer(listener)
                else:
                    os.read(wake_read, 4096)
            self._reap()
            self._keep_times()
            if time.monotonic() > next_log_check:
                next_log_check = time.monotonic() + 10
                for component in self._components.values():
                    _bound_log(Path(component.spec.log))
        (self._run / "supervisor.sock").unlink(missing_ok=True)
        processes.remove_pid_file(self._run, "supervisor")

    def _stop_orphans(self) -> None:
        """Ends what a killed supervisor left behind, so that nothing runs twice."""
        for file in sorted(self._run.glob("*.pid")):
            processes.stop_orphan(self._run, file.stem, timeout_s=30.0)

    def _listen(self) -> socket.socket:
        path = self._run / "supervisor.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old = os.umask(0o177)
        with _short_path(path) as short:
            listener.bind(short)
        os.umask(old)
        listener.listen(64)
        return listener

    def _wait_seconds(self) -> float:
        times = [t for c in self._components.values() for t in (c.start_at, c.kill_at) if t]
        return max(0.0, min([*times, time.monotonic() + 10.0]) - time.monotonic())

    def _answer(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5.0)
            try:
                request = json.loads(_read_line(connection))
                answer = self._handle(request)
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except (OSError, ValueError, KeyError, TypeError) as error:
                print(f"supervisor: bad request: {error}", file=sys.stderr, flush=True)

    def _handle(self, request: dict) -> dict:
        verb = request["verb"]
        if verb == "start":
            self._start(Spec(**request["spec"]))
        elif verb == "stop":
            self._stop(request["name"])
        elif verb == "end":
            self._end()
        return {name: c.describe() for name, c in self._components.items()}

    def _start(self, spec: Spec) -> None:
        component = self._components.setdefault(spec.name, _Component(spec))
        component.spec = spec
        component.wanted = True
        component.quick_deaths = 0
        if component.process is None:
            self._spawn(component)
        # One that is still stopping is started as soon as it has ended.

    def _stop(self, name: str) -> None:
        component = self._components.get(name)
        if component is None:
            return
        component.wanted = False
        component.start_at = None
        if component.process is None or component.kill_at is not None:
            return
        component.kill_at = time.monotonic() + component.spec.stop_seconds
        try:
            component.process.send_signal(component.spec.stop_signal)
        except ProcessLookupError:
            pass

    def _end(self, *_) -> None:
        self._ending = True
        for name in reversed(list(self._components)):
            self._stop(name)

    def _spawn(self, component: _Component) -> None:
        spec = component.spec
        component.start_at = None
        component.error = ""
        _bound_log(Path(spec.log))
        as_user: dict = {}
        if spec.user:
            as_user = {"user": spec.user, "group": spec.user, "extra_groups": []}
        try:
            with open(spec.log, "ab") as log:
                component.process = subprocess.Popen(
                    spec.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=spec.folder,
                    env=spec.environment,
                    start_new_session=True,
                    **as_user,
                )
        except OSError as error:
            component.error = f"{spec.command[0]} cannot be started: {error.strerror or error}"
            self._plan_restart(component)
            return
        component.started_at = time.monotonic()
        processes.write_pid_file(self._run, spec.name, component.process.pid, spec.stop_signal)

    def _reap(self) -> None:
        for component in self._components.values():
            if component.process is None or component.process.poll() is None:
                continue
            # What the dead process left of its group would hold its port.
            processes.signal_group(component.process.pid, signal.SIGKILL)
            component.last_exit = component.process.returncode
            lived_s = time.monotonic() - component.started_at
            component.process = None
            component.kill_at = None
            processes.remove_pid_file(self._run, component.spec.name)
            if lived_s >= STEADY_SECONDS:
                component.quick_deaths = 0
            if component.wanted:
                self._plan_restart(component)

    def _plan_restart(self, component: _Component) -> None:
        wait = RESTART_WAITS_S[min(component.quick_deaths, len(RESTART_WAITS_S) - 1)]
        component.quick_deaths += 1
        component.restarts += 1
        component.start_at = time.monotonic() + wait
        end = component.error or f"ended with {component.last_exit}"
        print(
            f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {component.spec.name} {end}; "
            f"started again in {wait} s",
            file=sys.stderr,
            flush=True,
        )

    def _keep_times(self) -> None:
        now = time.monotonic()
        for component in self._components.values():
            if component.start_at is not None and now >= component.start_at:
                self._spawn(component)
            if component.kill_at is not None and now >= component.kill_at and component.process:
                component.kill_at = now + 5.0
                processes.signal_group(component.process.pid, signal.SIGKILL)


def _bound_log(path: Path) -> None:
    """Moves a log aside that has grown too long; its writers append, so they go on at zero."""
    try:
        if path.stat().st_size <= LOG_BYTES_MAX:
            return
        with open(path, "rb") as log, open(f"{path}.1", "wb") as old:
            while part := log.read(1 << 20):
                old.write(part)
        os.truncate(path, 0)
    except OSError:
        pass


class _short_path:
    """A path short enough for a Unix socket's 108 bytes, however deep the folder lies."""

    def __init__(self, path: Path):
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> str:
        self._descriptor = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._descriptor}/{self._path.name}"

    def __exit__(self, *_) -> None:
        os.close(self._descriptor)


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            raise ValueError("the connection ended early")
        received += part
        if len(received) > REQUEST_BYTES_MAX:
            raise ValueError("the request is too long")
    return bytes(received)


class Supervisor:
    """The client: what ./run uses to talk to the supervisor of a run folder."""

    def __init__(self, run: Path):
        self._run = run

    def alive(self) -> bool:
        return processes.read_pid(self._run, "supervisor") is not None

    def ensure(self) -> None:
        """Starts the supervisor if none serves this folder."""
        if self.alive() and self._ask({"verb": "status"}) is not None:
            return
        scripts = str(Path(__file__).resolve().parents[1])
        with open(self._run.parent / "log" / "supervisor.log", "ab") as log:
            subprocess.Popen(
                [sys.executable, "-m", "parley.supervise", str(self._run)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**os.environ, "PYTHONPATH": scripts, "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + 60.0
        while self._ask({"verb": "status"}) is None:
            if time.monotonic() > deadline:
                raise Problem(
                    "The supervisor does not answer",
                    f"see {self._run.parent / 'log' / 'supervisor.log'}",
                    "Run ./run stop, then start again",
                )
            time.sleep(0.02)

    def status(self) -> dict[str, dict]:
        """What the supervisor says of each component it knows; empty if there is no supervisor."""
        return self._ask({"verb": "status"}) or {}

    def start(self, spec: Spec) -> None:
        """Runs a component, or leaves it alone if it already runs as `spec` says."""
        known = self.status().get(spec.name)
        if known and known["state"] == "running":
            if known["spec"] == dataclasses.asdict(spec):
                return
            self.stop([spec.name])
        if self._ask({"verb": "start", "spec": dataclasses.asdict(spec)}) is None:
            raise Problem("The supervisor ended", "it was stopped while it was needed", "Try again")

    def stop(self, names: list[str]) -> None:
        """Stops components at the same time, and returns when they have ended."""
        status = self.status()
        waiting = []
        for name in names:
            if name in status:
                self._ask({"verb": "stop", "name": name})
                waiting.append(name)
            else:  # Perhaps one whose supervisor was killed.
                processes.stop_orphan(self._run, name, timeout_s=30.0)
        while waiting:
            status = self.status()
            for name in list(waiting):
                if status.get(name, {}).get("state", "stopped") == "stopped":
                    waiting.remove(name)
            if waiting:
                time.sleep(0.02)

    def end(self) -> None:
        """Ends the supervisor and all that it still runs."""
        pid = processes.read_pid(self._run, "supervisor")
        self._ask({"verb": "end"})
        if pid is not None and not processes.wait_gone(pid, 60.0):
            os.kill(pid, signal.SIGKILL)
        for file in sorted(self._run.glob("*.pid")):
            processes.stop_orphan(self._run, file.stem, timeout_s=30.0)

    def _ask(self, request: dict) -> dict | None:
        """One question and its answer; None if nobody answers."""
        path = self._run / "supervisor.sock"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(10.0)
                with _short_path(path) as short:
                    connection.connect(short)
                connection.sendall(json.dumps(request).encode() + b"\n")
                return json.loads(_read_line(connection))
        except ValueError:
            return None
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ECONNREFUSED, errno.ECONNRESET, errno.EPIPE):
                return None
            if isinstance(error, TimeoutError):
                return None
            raise


if __name__ == "__main__":
    Server(Path(sys.argv[1])).serve()
