"""The command ./run."""

import argparse
import os
import signal
import sys
import time

from parley import build, install
from parley.components import COMPONENTS, INFRA, Installation
from parley.doctor import Doctor
from parley.layout import Layout
from parley.lifecycle import Lifecycle
from parley.problem import Problem, explain_end
from parley.progress import Progress
from parley.settings import Settings
from parley.supervise import Supervisor

_HELP = f"""\
usage: ./run [COMMAND]

  ./run                          installs what is missing, builds, starts everything;
                                 Ctrl-C stops all
  ./run start [COMPONENT…]       the same in the background; returns when all is ready
  ./run stop [COMPONENT…]        stops; what was stored stays
  ./run restart [COMPONENT…]
  ./run status                   what runs, where, since when
  ./run logs [COMPONENT] [-f]    the last lines of the logs (-f goes on; -n COUNT)
  ./run doctor                   checks the environment, the settings and Twilio
  ./run reset [--yes]            stops, and deletes what was stored

components: {" ".join(COMPONENTS)}

Settings are environment variables, or NAME=value lines in .local/settings.env:
  TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, TWILIO_PHONE_NUMBER   a Twilio account; without
                                 one (or with MOCK_MODE=true) the simulator plays Twilio
  SERVER_URL                     the public address, for a tunnel
  PARLEY_KAFKA_BROKERS, PARLEY_DATABASE_URL, PARLEY_REDIS_URL
                                 used instead of started
  PARLEY_PORT_EDGE and so on     another port ({", ".join(vars(Layout.standard().ports))})
  PARLEY_LOCAL_DIR               another folder than .local
All settings of a service: build/release/bin/SERVICE --help
"""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run", add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    verbs = parser.add_subparsers(dest="verb")
    for verb in ("start", "stop", "restart"):
        some = verbs.add_parser(verb)
        some.add_argument("components", nargs="*", choices=[*COMPONENTS, []], metavar="COMPONENT")
    verbs.add_parser("status")
    verbs.add_parser("doctor")
    verbs.add_parser("help")
    logs = verbs.add_parser("logs")
    logs.add_argument("component", nargs="?", choices=COMPONENTS, metavar="COMPONENT")
    logs.add_argument("-f", "--follow", action="store_true")
    logs.add_argument("-n", "--lines", type=int, default=50)
    reset = verbs.add_parser("reset")
    reset.add_argument("--yes", action="store_true")
    return parser.parse_args(arguments)


class Run:
    """One call of ./run."""

    def __init__(self) -> None:
        self._layout = Layout.standard()
        self._settings = Settings.load(self._layout)
        self._installation = Installation(self._layout, self._settings)

    def _lifecycle(self, steps: int) -> Lifecycle:
        return Lifecycle(self._installation, Progress(steps))

    # --- Start, stop ---

    def start(self, names: list[str]) -> int:
        progress = Progress(6 if not names else 2)
        lifecycle = Lifecycle(self._installation, progress)
        with lifecycle.alone():
            if names:
                self._build_some(names, progress)
                for remark in lifecycle.start_some(names):
                    progress.note(remark)
                return 0
            began = time.monotonic()
            with progress.step("Installing what is missing") as step:
                install.install(self._layout, step)
            with progress.step("Building the services") as step:
                build.build_services(self._layout, step, list(build.PROGRAMS))
            with progress.step("Building the page") as step:
                build.build_web(self._layout, step)
            credentials = lifecycle.start_all()
            self._greet(credentials, time.monotonic() - began)
        return 0

    def _build_some(self, names: list[str], progress: Progress) -> None:
        programs = [name for name in names if name in build.PROGRAMS]
        if programs:
            with progress.step("Building") as step:
                build.build_services(self._layout, step, programs)

    def _greet(self, credentials: dict[str, str], seconds: float) -> None:
        urls = self._installation.base_urls()
        rows = [("The page", urls["public"])]
        if self._settings.uses_simulator:
            rows.append(("A customer's handset", f"{urls['twilio']}/"))
        else:
            rows.append(("Twilio account", credentials.get("account_sid", "")))
        rows += [
            ("Log in as", credentials.get("email", "")),
            ("Password", credentials.get("password", "")),
            ("API key, addresses", str(self._layout.credentials)),
        ]
        print(f"\nParley is ready after {seconds:.1f} s.\n")
        for what, value in rows:
            print(f"  {what:<22}{value}")
        print("\n  ./run status, logs, doctor and stop do what they say.\n", flush=True)

    def stop(self, names: list[str]) -> int:
        lifecycle = self._lifecycle(1)
        with lifecycle.alone():
            if names:
                lifecycle.stop_some(names)
            else:
                lifecycle.stop_all()
        return 0

    def restart(self, names: list[str]) -> int:
        if not names:
            self.stop([])
            return self.start([])
        lifecycle = self._lifecycle(3)
        with lifecycle.alone():
            lifecycle.stop_some(names)
        return self.start(names)

    def foreground(self) -> int:
        """Starts, shows what happens to the components, and stops at Ctrl-C."""

        def interrupt(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, interrupt)
        signal.signal(signal.SIGHUP, interrupt)
        try:
            self.start([])
            print("Ctrl-C stops all.", flush=True)
            self._watch()
        except KeyboardInterrupt:
            print("\nStopping all; this takes up to 25 s while work in hand is finished.")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.stop([])
        return 0

    def _watch(self) -> None:
        supervisor = Supervisor(self._layout.run)
        restarts: dict[str, int] = {}
        while status := supervisor.status():
            for name, facts in status.items():
                if facts["restarts"] > restarts.get(name, 0):
                    print(f"{name} ended and was started again; see ./run logs {name}", flush=True)
                restarts[name] = facts["restarts"]
            time.sleep(1.0)
        print("Parley was stopped from elsewhere.")

    def reset(self, sure: bool) -> int:
        if not sure:
            if not sys.stdin.isatty():
                raise Problem(
                    "Nothing was deleted", "reset wants to be confirmed", "Run ./run reset --yes"
                )
            print(f"This deletes all messages, contacts, keys and logs in {self._layout.data}.")
            if input("Type yes to go on: ").strip() != "yes":
                print("Nothing was deleted.")
                return 1
        lifecycle = self._lifecycle(2)
        with lifecycle.alone():
            lifecycle.reset()
        return 0

    # --- Look ---

    def status(self) -> int:
        known = Supervisor(self._layout.run).status()
        rows = [("COMPONENT", "STATE", "PID", "SINCE", "RESTARTS", "ADDRESS")]
        good = True
        for name in COMPONENTS:
            if not self._installation.is_ours(name):
                if name in INFRA:
                    ready = self._installation.readiness(name)
                    good &= ready.ready
                    state = "external" if ready.ready else "unreachable"
                    rows.append((name, state, "", "", "", self._installation.address(name)))
                continue
            facts = known.get(name)
            state = facts["state"] if facts else "stopped"
            if state == "running":
                ready = self._installation.readiness(name)
                state = "ready" if ready.ready else "not ready"
            good &= state == "ready"
            rows.append(
                (
                    name,
                    state,
                    str(facts["pid"] or "") if facts else "",
                    _ago(facts["uptime_s"]) if facts and facts["uptime_s"] else "",
                    str(facts["restarts"]) if facts else "",
                    self._installation.address(name),
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        for row in rows:
            print("  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip())
        return 0 if good else 1

    def logs(self, component: str | None, follow: bool, lines: int) -> int:
        names = [component] if component else list(COMPONENTS)
        files = [self._layout.log / f"{name}.log" for name in names]
        files = [str(file) for file in files if file.exists()]
        if not files:
            raise Problem("There are no logs", "nothing was started yet", "Run ./run start")
        command = ["tail", "-n", str(lines), *(["-F"] if follow else []), *files]
        sys.stdout.flush()
        os.execvp("tail", command)

    def doctor(self) -> int:
        return Doctor(self._installation).run()


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def _call(arguments: argparse.Namespace) -> int:
    if arguments.help or arguments.verb == "help":
        print(_HELP, end="")
        return 0
    run = Run()
    match arguments.verb:
        case None:
            return run.foreground()
        case "start":
            return run.start(arguments.components)
        case "stop":
            return run.stop(arguments.components)
        case "restart":
            return run.restart(arguments.components)
        case "status":
            return run.status()
        case "logs":
            return run.logs(arguments.component, arguments.follow, arguments.lines)
        case "reset":
            return run.reset(arguments.yes)
        case _:
            return run.doctor()


def main() -> int:
    arguments = _parse(sys.argv[1:])
    try:
        return _call(arguments)
    except Problem as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nInterrupted. What was started goes on; ./run start continues, ./run stop stops it.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        return 141
    except OSError as error:
        why, remedy = explain_end(str(error), str(error), "Run ./run doctor")
        print(f"\n{Problem('The command failed', why, remedy)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
