"""Starts and stops an installation, in the order in which its parts need one another."""

import concurrent.futures
import contextlib
import fcntl
import os
import time
from collections.abc import Callable

from parley import infra
from parley import ports as port_tools
from parley.components import (
    INFRA,
    SERVICES,
    STOP_ORDER,
    Installation,
    last_lines,
    remove_data,
)
from parley.problem import Problem, explain_end
from parley.progress import Progress
from parley.settings import Settings
from parley.supervise import Supervisor

READY_SECONDS_MAX = 90.0
_MIGRATING = ("sender", "gateway")
_QUICK_DEATHS_MAX = 4


class Lifecycle:
    """What ./run start, stop and restart do."""

    def __init__(self, installation: Installation, progress: Progress):
        self._installation = installation
        self._layout = installation.layout
        self._progress = progress
        self._given_up = False
        self.supervisor = Supervisor(installation.layout.run)

    @contextlib.contextmanager
    def alone(self):
        """One command at a time changes an installation; a second one waits."""
        self._layout.make_folders()
        descriptor = os.open(self._layout.data / ".lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress.note("another ./run command is at work; waiting for it to end")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    # --- Start ---

    def start_all(self) -> dict[str, str]:
        """Starts everything, and returns the credentials once everything is ready."""
        installation = self._installation
        names = installation.ours()
        self._layout.make_folders()
        installation.make_keys()
        self.supervisor.ensure()
        installation.settings.remember()
        with self._progress.step("Kafka, PostgreSQL and Redis") as step:
            self._check_ports(names)
            self._stop_what_is_not_ours(names)
            first = [name for name in names if name in INFRA or name == "twilio-simulator"]
            self._spawn(first)
            with concurrent.futures.ThreadPoolExecutor() as pool, self._give_up_on_error():
                database = pool.submit(self._prepare_database)
                sender = pool.submit(self._migrate, "sender", database.result)
                self._wait(["kafka", "redis"], step)
                step.update("bringing tables and topics up to date")
                self._migrate("gateway", database.result)
                sender.result()
        with self._progress.step("The first organization"):
            if installation.settings.uses_simulator:
                self._wait(["twilio-simulator"])
            credentials = installation.bootstrap()
        with self._progress.step("The services") as step:
            self._spawn([name for name in names if name in SERVICES or name == "edge"])
            self._wait(names, step)
        return credentials

    def start_some(self, names: list[str]) -> list[str]:
        """Starts some components, and waits for them. Returns remarks about those that run but
        wait for another one that is stopped."""
        self._layout.make_folders()
        self._installation.make_keys()
        for name in names:
            if not self._installation.is_ours(name):
                raise Problem(
                    f"{name} is not started here",
                    "its address is given by a setting, and used"
                    if name in INFRA
                    else "a real Twilio account is set, and used",
                )
        self.supervisor.ensure()
        self._installation.settings.remember()
        remarks = []
        with self._progress.step(", ".join(names)) as step:
            self._check_ports(names)
            stopped = self._stopped_infra(names)
            self._spawn([name for name in names if name not in SERVICES])
            if not stopped:
                self._wait([name for name in names if name in INFRA], step)
                # A new version may need more tables than the one before.
                for service in _MIGRATING:
                    if service in names:
                        self._migrate(service)
            self._spawn([name for name in names if name in SERVICES])
            if stopped and any(name in SERVICES for name in names):
                settled = [name for name in names if name not in SERVICES]
                self._wait(settled, step)
                waiting = [name for name in names if name in SERVICES]
                self._wait_running(waiting)
                remarks.append(
                    f"{', '.join(waiting)} runs, and may wait for {', '.join(stopped)}, "
                    "which is stopped"
                )
            else:
                self._wait(names, step)
        return remarks

    def _stopped_infra(self, started: list[str]) -> list[str]:
        status = self.supervisor.status()
        return [
            name
            for name in INFRA
            if self._installation.is_ours(name)
            and name not in started
            and status.get(name, {}).get("state") != "running"
        ]

    def _check_ports(self, names: list[str]) -> None:
        status = self.supervisor.status()
        for name in names:
            if status.get(name, {}).get("pid"):
                continue
            for port in self._installation.ports_of(name):
                if port_tools.is_free(port):
                    continue
                setting = next(
                    field for field, value in vars(self._layout.ports).items() if value == port
                )
                raise Problem(
                    f"{name} cannot start",
                    f"its port {port} is taken by {port_tools.holder(port)}",
                    "Stop that process, or choose another port: "
                    f"PARLEY_PORT_{setting.upper()}=… ./run start",
                )

    def _stop_what_is_not_ours(self, names: list[str]) -> None:
        """A simulator that is no longer wanted, say, because an account was set since."""
        running = self.supervisor.status()
        self.supervisor.stop([name for name in running if name not in names])

    def _spawn(self, names: list[str]) -> None:
        """Prepares and starts components at the same time; the first problem is raised."""

        def spawn(name: str) -> None:
            self.supervisor.start(self._installation.prepare(name, self._progress.note))

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for future in [pool.submit(spawn, name) for name in names]:
                future.result()

    @contextlib.contextmanager
    def _give_up_on_error(self):
        """Ends the waits of other threads when this one fails or is interrupted."""
        try:
            yield
        except BaseException:
            self._given_up = True
            raise

    def _prepare_database(self) -> None:
        self._wait(["postgres"])
        if self._installation.is_ours("postgres"):
            infra.create_database(self._layout)

    def _migrate(self, service: str, wait_for_database: Callable = lambda: None) -> None:
        """Applies a service's migrations; the gateway's also creates the topics."""
        wait_for_database()
        what = f"What {service} stores could not be brought up to date"
        self._installation.run_once(service, ["migrate"], what)

    def _wait(self, names: list[str], step=None) -> None:
        """Waits until components are ready. Raises Problem for one that keeps dying, or is late."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        waiting = dict.fromkeys(names, "")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            while waiting:
                answers = pool.map(self._installation.readiness, list(waiting))
                for name, answer in list(zip(list(waiting), answers)):
                    waiting[name] = answer.reason
                    if answer.ready:
                        del waiting[name]
                if not waiting:
                    return
                if step:
                    step.update(f"waiting for {', '.join(waiting)}")
                self._check_alive(waiting)
                if self._given_up:
                    raise Problem("The start was given up")
                if time.monotonic() > deadline:
                    name, reason = next(iter(waiting.items()))
                    raise self._not_ready(name, reason)
                time.sleep(0.05)

    def _not_ready(self, name: str, reason: str) -> Problem:
        return Problem(
            f"{name} is not ready after {READY_SECONDS_MAX:.0f} s",
            reason,
            "Run ./run doctor",
            last_lines(self._layout, name),
        )

    def _check_alive(self, waiting: dict[str, str]) -> None:
        status = self.supervisor.status()
        for name in waiting:
            facts = status.get(name)
            if facts and facts["quick_deaths"] >= _QUICK_DEATHS_MAX:
                log = last_lines(self._layout, name)
                end = facts["error"] or f"exit code {facts['last_exit']}"
                why, remedy = explain_end(log, end, f"Its log is {self._layout.log / name}.log")
                raise Problem(f"{name} ends as soon as it starts", why, remedy, log)

    def _wait_running(self, names: list[str]) -> None:
        """Waits until components answer at all, ready or not."""

        def answers(name: str) -> bool:
            port = self._installation.admin_port(name)
            self._check_alive({name: ""})
            return port_tools.accepts(port)

        for name in names:
            if not infra.wait_until(lambda name=name: answers(name), READY_SECONDS_MAX):
                raise self._not_ready(name, "its admin port does not answer")

    # --- Stop ---

    def stop_some(self, names: list[str]) -> None:
        with self._progress.step(f"Stopping {', '.join(names)}"):
            for group in STOP_ORDER:
                self.supervisor.stop([name for name in names if name in group])

    def stop_all(self) -> None:
        """Stops everything, the supervisor too."""
        with self._progress.step("Stopping") as step:
            for group in STOP_ORDER:
                step.update(", ".join(group))
                self.supervisor.stop(list(group))
            self.supervisor.end()
            Settings.forget(self._layout)

    def reset(self) -> None:
        self.stop_all()
        with self._progress.step("Deleting what was stored"):
            remove_data(self._layout)
