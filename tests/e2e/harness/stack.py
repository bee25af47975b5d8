"""The whole product on free ports, started by the same code as ./run."""

import io
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

from harness.http import Answer, call
from harness.wait import wait_until
from parley import infra, processes
from parley.components import Installation, last_lines
from parley.layout import CHECKOUT, Layout, Ports
from parley.lifecycle import Lifecycle
from parley.progress import Progress
from parley.settings import Settings

# What tests set apart from ./run's defaults: quick answers, and no limits that
# would make many messages slow. A test of one of these sets it back itself.
TEST_SETTINGS = {
    "AI_RESPONSE_DELAY": "200",
    "PARLEY_RATE_LONG_CODE": "0",
    "PARLEY_RATE_TOLL_FREE": "0",
    "PARLEY_RATE_SHORT_CODE": "0",
    "PARLEY_RATE_WHATSAPP": "0",
}


class Simulator:
    """The control of the Twilio simulator, `/simulator/v1`."""

    def __init__(self, url: str):
        self.url = url

    def inbound(self, **message: Any) -> Answer:
        """A text or call from a customer: from_, to, body, media_urls, channel."""
        if "from_" in message:
            message["from"] = message.pop("from_")
        return self._call("POST", "/simulator/v1/inbound", message)

    def ledger(self, after: int = 0) -> list[dict]:
        """Every message creation that it accepted, in order, after entry `after`."""
        entries: list[dict] = []
        while True:
            url = f"{self.url}/simulator/v1/ledger?after={after}"
            page = call("GET", url).expect(200).json()
            if not page["entries"]:
                return entries
            entries += page["entries"]
            after = page["next"]

    def faults(self, **faults: Any) -> Answer:
        """latency_ms, status_429_rate, drop_before_rate and so on; see DESIGN §10."""
        return self._call("PUT", "/simulator/v1/faults", faults)

    def settings(self, **settings: Any) -> Answer:
        return self._call("PUT", "/simulator/v1/settings", settings)

    def reset(self) -> Answer:
        return self._call("POST", "/simulator/v1/reset", {})

    def _call(self, method: str, path: str, body: dict) -> Answer:
        answer = call(
            method,
            self.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        assert 200 <= answer.status < 300, f"{path}: {answer}"
        return answer


class Stack:
    """A running installation: Kafka, PostgreSQL, Redis, edge, services, simulator.

    `credentials` is what ./run writes to .local/credentials.json: ids, API key,
    password and the base URLs.
    """

    def __init__(
        self, folder: Path, settings: dict[str, str] | None = None, build: Path = Layout.build
    ):
        self.layout = Layout(data=folder, ports=Ports.free(), build=build, throwaway=True)
        values = {**TEST_SETTINGS, **(settings or {})}
        self.installation = Installation(self.layout, Settings(self.layout, values))
        self._lifecycle = Lifecycle(self.installation, Progress(3, io.StringIO()))
        self.supervisor = self._lifecycle.supervisor
        self.credentials: dict[str, str] = {}

    @classmethod
    def in_test_folder(cls, name: str = "e2e", settings: dict[str, str] | None = None) -> "Stack":
        """A stack under .local/test; what an earlier one left there is removed."""
        return cls.in_folder(CHECKOUT / ".local" / "test" / name, settings)

    @classmethod
    def in_folder(cls, folder: Path, settings=None, build: Path = Layout.build) -> "Stack":
        """A stack in `folder`, whose old contents go; `build` holds the programs in bin/."""
        stack = cls(folder, settings, build)
        stack.supervisor.end()
        postgres = infra.postgres_folder(stack.layout)
        shutil.rmtree(postgres.parent, ignore_errors=True)
        shutil.rmtree(stack.layout.data, ignore_errors=True)
        return stack

    # --- Start and stop ---

    def start(self) -> "Stack":
        self.credentials = self._lifecycle.start_all()
        return self

    def close(self) -> None:
        """Stops everything; data and logs stay for whoever looks into a failure."""
        self._lifecycle.stop_all()

    def stop_component(self, name: str) -> None:
        self._lifecycle.stop_some([name])

    def start_component(self, name: str, **settings: str) -> None:
        """Starts a component, and returns when it is ready. `settings` hold until they are set
        anew; None takes one away."""
        values = self.installation.settings.values
        for setting, value in settings.items():
            if value is None:
                values.pop(setting, None)
            else:
                values[setting] = str(value)
        self._lifecycle.start_some([name])

    def restart_component(self, name: str, **settings: str) -> None:
        self.stop_component(name)
        self.start_component(name, **settings)

    def pid(self, name: str) -> int | None:
        """The component's process; None while it does not run."""
        return processes.read_pid(self.layout.run, name)

    def kill(self, name: str) -> int:
        """kill -9. Returns the process id that was killed; the supervisor starts a new one."""
        pid = wait_until(lambda: self.pid(name), what=f"{name} does not run")
        os.kill(pid, signal.SIGKILL)
        return pid

    def pause(self, name: str) -> int:
        """Stops a process in its tracks (SIGSTOP), as a frozen machine would."""
        pid = wait_until(lambda: self.pid(name), what=f"{name} does not run")
        os.kill(pid, signal.SIGSTOP)
        return pid

    def is_ready(self, name: str) -> bool:
        return self.installation.readiness(name).ready

    def wait_ready(self, name: str, timeout_s: float = 60.0) -> None:
        wait_until(
            lambda: self.is_ready(name),
            timeout_s,
            lambda: f"{name}: {self.installation.readiness(name).reason}\n{self.log(name)}",
        )

    def log(self, name: str, lines: int = 40) -> str:
        return last_lines(self.layout, name, lines)

    # --- Talking to it ---

    @property
    def simulator(self) -> Simulator:
        return Simulator(self.credentials["twilio"])

    @property
    def database_url(self) -> str:
        return infra.database_url(self.layout)

    def query(self, statement: str, timeout_s: float = 10.0) -> str:
        """SQL as the database's owner, by psql; rows are lines, columns are split by |."""
        return infra.query(self.database_url, statement, timeout_s)

    def call(  # noqa: PLR0913
        self,
        method: str,
        path: str,
        body: Any = None,
        base: str = "public",
        headers: dict[str, str] | None = None,
        token: str | None = "",
        timeout_s: float = 15.0,
    ) -> Answer:
        """Calls the product. A body that is no bytes is sent as JSON. `base` is one of the base
        URLs' names; `token` is the API key unless given, and None sends no credential."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.credentials['api_key']}")
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        return call(method, self.credentials[base] + path, data, sent, timeout_s)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.call("POST", path, {} if body is None else body, **options)

    def metric(self, name: str, service: str) -> float:
        """The sum of a metric over its labels, from a service's /metrics."""
        url = f"http://127.0.0.1:{self.installation.admin_port(service)}/metrics"
        total = 0.0
        for line in call("GET", url).expect(200).body.decode().splitlines():
            if line.split("{")[0].split(" ")[0] == name:
                total += float(line.rsplit(" ", 1)[1])
        return total
