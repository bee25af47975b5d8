"""The sender's replicas: processes of this run's own, which it kills, pauses and starts again."""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from parley.ports import free_ports

_READY_SECONDS_MAX = 60.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Replica:
    """One sender. `log` is appended to over its restarts."""

    name: str
    port: int
    log: Path
    process: subprocess.Popen
    starts: int = 1
    # Whether we did something that may end it.
    hurt: bool = False


class Replicas:
    """Starts `count` senders with this environment. Ends them all when closed, by their ids."""

    def __init__(self, binary: Path, environment: dict[str, str], folder: Path, count: int):
        self._binary = binary
        self._environment = environment
        # How replicas ended that nobody had hurt.
        self.crashes: list[str] = []
        self.ended_by_timer = 0
        self.all: list[Replica] = []
        folder.mkdir(parents=True, exist_ok=True)
        for n, port in enumerate(free_ports(count)):
            log = folder / f"sender-{n}.log"
            name = f"sender-{n}"
            self.all.append(Replica(name, port, log, self._spawn(port, log)))

    def _spawn(self, port: int, log: Path) -> subprocess.Popen:
        with open(log, "ab") as output:
            return subprocess.Popen(
                # Whatever ends this program ends them.
                ["setpriv", "--pdeathsig", "KILL", str(self._binary), "serve"],
                env={**self._environment, "PARLEY_ADMIN_PORT": str(port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS_MAX
        for replica in self.all:
            while not self._is_ready(replica):
                if replica.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{replica.name} is not ready; see {replica.log}")
                time.sleep(0.05)

    def _is_ready(self, replica: Replica) -> bool:
        url = f"http://127.0.0.1:{replica.port}/readyz"
        try:
            with _NO_PROXY.open(url, timeout=3) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def kill(self, replica: Replica) -> None:
        """kill -9; returns when it is gone."""
        replica.hurt = True
        replica.process.kill()
        replica.process.wait()

    def pause(self, replica: Replica) -> None:
        replica.hurt = True
        replica.process.send_signal(signal.SIGSTOP)

    def resume(self, replica: Replica) -> None:
        """Lets it go on, if its own timer has not ended it meanwhile."""
        if replica.process.poll() is None:
            replica.process.send_signal(signal.SIGCONT)

    def stop(self, replica: Replica) -> int:
        """SIGTERM: it gives up what it owns and ends. Its exit code."""
        replica.hurt = True
        replica.process.terminate()
        return replica.process.wait(30)

    def start(self, replica: Replica) -> None:
        """Starts one that has ended."""
        replica.process = self._spawn(replica.port, replica.log)
        replica.starts += 1
        replica.hurt = False

    def revive(self) -> int:
        """Starts those that have ended, and notes how, if nobody had hurt them."""
        started = 0
        for replica in self.all:
            code = replica.process.poll()
            if code is None:
                continue
            if not replica.hurt:
                if code == -signal.SIGKILL:
                    self.ended_by_timer += 1
                else:
                    self.crashes.append(f"{replica.name} ended with {code}; see {replica.log}")
            self.start(replica)
            started += 1
        return started

    def of_process(self, pid: int) -> Replica | None:
        return next((r for r in self.all if r.process.pid == pid), None)

    def close(self) -> None:
        for replica in self.all:
            if replica.process.poll() is None:
                os.kill(replica.process.pid, signal.SIGCONT)
                replica.process.terminate()
        for replica in self.all:
            try:
                replica.process.wait(25)
            except subprocess.TimeoutExpired:
                replica.process.kill()
                replica.process.wait()
