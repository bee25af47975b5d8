"""The command ./test: builds, runs the suites, and counts."""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree
from pathlib import Path

from parley import build, infra, install, processes
from parley.layout import CHECKOUT, Layout, Ports
from parley.problem import Problem
from parley.progress import Progress, Step
from parley.settings import is_setting
from parley.supervise import Supervisor

SUITES = ("style", "unit", "fuzz", "web", "integration", "e2e", "chaos")
TEST_FOLDER = CHECKOUT / ".local" / "test"
# One GoogleTest program; far more than any needs, far less than the suite may take.
_PROGRAM_SECONDS_MAX = 300
# One pytest test; one that needs longer says so by @pytest.mark.timeout.
_TEST_SECONDS_MAX = 180
# How long a fuzz target looks for new inputs after its corpus: among all suites, and by name.
_FUZZ_SECONDS = 5
_FUZZ_SECONDS_NAMED = 60
_FUZZ = CHECKOUT / "tests" / "fuzz"
_OUTPUT_LINES_MAX = 60
_PYTEST_LINE = re.compile(r"(PASSED|FAILED|ERROR|SKIPPED).*\[ *(\d+)%\]")

_HELP = f"""\
usage: ./test [SUITE…] [-- ARGUMENT…]

Installs what is missing, builds, runs the suites and ends in `N passed, N failed`.

  {"  ".join(SUITES)}     all of them, in this order, without arguments

fuzz gives each target its corpus and {_FUZZ_SECONDS} s; {_FUZZ_SECONDS_NAMED} s when it is named.

What follows -- goes to the tests: `./test unit -- --gtest_filter=Retry.*`,
`./test e2e -- -k consent`, `./test fuzz -- -max_total_time=600`.
"""


@dataclasses.dataclass
class Outcome:
    """What a suite, or a part of it, came to."""

    passed: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)  # Name, then its output.

    def add(self, other: "Outcome") -> None:
        self.passed += other.passed
        self.failures += other.failures


class Run:
    """One call of ./test."""

    def __init__(self, suites: list[str], arguments: list[str]):
        self._suites = suites or list(SUITES)
        self._named = bool(suites)
        self._arguments = arguments
        self._layout = Layout(data=CHECKOUT / ".local", ports=Ports())
        self._progress = Progress(len(self._suites) + 1 + self._needs_services + self._needs_page)

    @property
    def _needs_services(self) -> bool:
        return any(suite in ("unit", "integration", "e2e", "chaos") for suite in self._suites)

    @property
    def _needs_page(self) -> bool:
        return any(suite in ("e2e", "chaos") for suite in self._suites)

    def run(self) -> int:
        began = time.monotonic()
        with self._progress.step("Installing what is missing") as step:
            install.install(self._layout, step, for_tests=True)
        if self._needs_services:
            with self._progress.step("Building") as step:
                build.build_services(self._layout, step)
        if self._needs_page:
            with self._progress.step("Building the page") as step:
                build.build_web(self._layout, step)
        total = Outcome()
        for suite in self._suites:
            with self._progress.step(f"Suite {suite}") as step:
                outcome = self._suite(suite, step)
            self._progress.note(f"{outcome.passed} passed, {len(outcome.failures)} failed")
            total.add(outcome)
        for failure in total.failures:
            print(f"\nFAILED {failure}")
        print(f"\nAll suites took {time.monotonic() - began:.0f} s.\n")
        print(f"{total.passed} passed, {len(total.failures)} failed", flush=True)
        return 1 if total.failures else 0

    def _suite(self, suite: str, step: Step) -> Outcome:
        """Runs a suite. What keeps it from running at all counts as one failure."""
        try:
            outcome = getattr(self, f"_{suite}")(step)
        except Problem as problem:
            return Outcome(failures=[f"{suite}: the suite did not run\n{problem}"])
        if outcome.passed == 0 and not outcome.failures:
            outcome.failures.append(f"{suite}: no test was found")
        return outcome

    # --- GoogleTest ---

    def _unit(self, step: Step) -> Outcome:
        total = self._programs("unit", step, parallel=2, environment=lambda program: _clean())
        if not self._arguments:  # They are GoogleTest's.
            total.add(self._pytest("scripts", step, {}, CHECKOUT / "scripts" / "tests"))
        return total

    def _integration(self, step: Step) -> Outcome:
        with _infra(step) as layout:

            def environment(program: Path) -> dict[str, str]:
                database = re.sub(r"[^a-z0-9]", "_", program.name.lower())
                infra.create_database(layout, database, extra_rights="CREATEDB")
                return {
                    **_clean(),
                    **infra.environment_of(layout, database),
                    "PARLEY_TEST_BIN_DIR": str(self._layout.build / "bin"),
                    "PARLEY_TEST_SIMULATOR_BINARY": str(self._layout.binary("twilio-simulator")),
                    "PARLEY_TEST_KAFKA_PID": str(processes.read_pid(layout.run, "kafka") or ""),
                }

            return self._programs("integration", step, parallel=1, environment=environment)

    def _programs(self, label: str, step: Step, parallel: int, environment) -> Outcome:
        folder = self._layout.build / "tests" / label
        programs = sorted(p for p in folder.glob("*") if p.is_file() and os.access(p, os.X_OK))
        total = Outcome()
        done = 0
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            futures = [pool.submit(self._program, program, environment) for program in programs]
            for future in concurrent.futures.as_completed(futures):
                total.add(future.result())
                done += 1
                step.update(f"{done} of {len(programs)} programs, {total.passed} passed")
        return total

    def _program(self, program: Path, environment) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            try:
                done = subprocess.run(
                    [str(program), f"--gtest_output=json:{report}", *self._arguments],
                    env=environment(program),
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    timeout=_PROGRAM_SECONDS_MAX,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                output = late.stdout or b""
                text = output.decode("utf-8", "replace") if isinstance(output, bytes) else output
                why = f"it was ended after {_PROGRAM_SECONDS_MAX} s"
                return Outcome(failures=[f"{program.name}: {why}\n{_tail(text)}"])
            outcome = _read_gtest(program.name, report)
        if done.returncode != 0 and not outcome.failures:
            end = f"exit code {done.returncode}"
            if done.returncode < 0:
                end = signal.Signals(-done.returncode).name
            outcome.failures.append(f"{program.name}: it ended with {end}\n{_tail(done.stdout)}")
        return outcome

    # --- libFuzzer ---

    def _fuzz(self, step: Step) -> Outcome:
        """One test for each target: its corpus and what once failed, then new inputs for a while.
        An input that fails stays in .local/test/fuzz."""
        folder = build.build_fuzz_targets(self._layout, step)
        targets = sorted(source.name[: -len("_fuzz.cc")] for source in _FUZZ.glob("*_fuzz.cc"))
        total = Outcome()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = [pool.submit(self._fuzz_target, folder / target) for target in targets]
            for run in concurrent.futures.as_completed(runs):
                total.add(run.result())
                step.update(f"{total.passed} of {len(targets)} targets")
        return total

    def _fuzz_target(self, program: Path) -> Outcome:
        seconds = _FUZZ_SECONDS_NAMED if self._named else _FUZZ_SECONDS
        findings = TEST_FOLDER / "fuzz"
        findings.mkdir(parents=True, exist_ok=True)
        known = [_FUZZ / kind / program.name for kind in ("corpus", "regressions")]
        with tempfile.TemporaryDirectory() as new:
            done = subprocess.run(
                [
                    *("nice", str(program), "-print_final_stats=1", "-timeout=10"),
                    *("-rss_limit_mb=1024", "-max_len=16384", f"-max_total_time={seconds}"),
                    f"-artifact_prefix={findings / program.name}-",
                    *self._arguments,
                    # What it finds goes to the first folder.
                    *(new, *(str(folder) for folder in known if folder.exists())),
                ],
                env=_clean(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode != 0:
            return Outcome(failures=[f"fuzz: {program.name}\n{_tail(done.stdout)}"])
        return Outcome(passed=1)

    # --- pytest ---

    def _style(self, step: Step) -> Outcome:
        buf = install.install_buf(self._layout, step)
        go_tools = install.install_go_tools(self._layout, step)
        return self._pytest(
            "style", step, {"PARLEY_TEST_BUF": str(buf), "PARLEY_TEST_GO_TOOLS": str(go_tools)}
        )

    def _chaos(self, step: Step) -> Outcome:
        with _folder_lock("chaos", step):
            try:
                return self._pytest("chaos", step, {})
            finally:
                Supervisor(TEST_FOLDER / "chaos" / "run").end()

    def _e2e(self, step: Step) -> Outcome:
        environment = {
            "PARLEY_TEST_BIN_DIR": str(self._layout.build / "bin"),
            "PARLEY_TEST_SIMULATOR_BINARY": str(self._layout.binary("twilio-simulator")),
        }
        with _folder_lock("e2e", step):
            try:
                total = self._pytest("e2e", step, environment)
            finally:
                Supervisor(TEST_FOLDER / "e2e" / "run").end()
        if not self._arguments:  # They are pytest's.
            for package in sorted((CHECKOUT / "tests" / "e2e").glob("*/package.json")):
                install.npm_ci(self._layout, package.parent, step)
                step.update(f"Node.js tests of {package.parent.name}")
                total.add(self._node(package.parent, environment))
        return total

    def _node(self, folder: Path, environment: dict[str, str]) -> Outcome:
        report = TEST_FOLDER / f"node-{folder.name}.xml"
        report.unlink(missing_ok=True)
        reporter = ["--test-reporter=junit", f"--test-reporter-destination={report}"]
        done = self._call(
            ["node", "--test", *reporter, *map(str, sorted(folder.glob("*.test.mjs")))],
            folder,
            environment,
        )
        if not report.exists():
            return Outcome(failures=[f"{folder.name}: node did not run\n{_tail(done.stdout)}"])
        outcome = _read_junit(report)
        if done.returncode != 0 and not outcome.failures:
            outcome.failures.append(f"{folder.name}: node --test failed\n{_tail(done.stdout)}")
        return outcome

    def _pytest(
        self, suite: str, step: Step, environment: dict[str, str], folder: Path | None = None
    ) -> Outcome:
        TEST_FOLDER.mkdir(parents=True, exist_ok=True)
        report = TEST_FOLDER / f"{suite}.xml"
        report.unlink(missing_ok=True)
        command = [
            str(self._layout.tools / "venv" / "bin" / "python"),
            *("-B", "-m", "pytest", "-v", "-p", "no:cacheprovider", "--color=no", "--tb=short"),
            f"--junitxml={report}",
            f"--timeout={_TEST_SECONDS_MAX}",
            str(folder or CHECKOUT / "tests" / suite),
            *self._arguments,
        ]
        lines: list[str] = []
        with subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={
                **_clean(),
                **environment,
                "PATH": install.node_path(self._layout),
                "PYTHONPATH": str(CHECKOUT / "scripts"),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if found := _PYTEST_LINE.search(line):
                    step.update(f"{found.group(2)} %: {line.split()[0].rsplit('/', 1)[-1]}")
        if not report.exists():
            return Outcome(failures=[f"{suite}: pytest did not run\n{_tail(chr(10).join(lines))}"])
        return _read_junit(report)

    # --- The page ---

    def _web(self, step: Step) -> Outcome:
        web = CHECKOUT / "web"
        install.npm_ci(self._layout, web, step)
        scripts = json.loads((web / "package.json").read_text(encoding="utf-8"))["scripts"]
        total = Outcome()
        for name in ("lint", "format:check", "type-check"):
            if name in scripts:
                step.update(name)
                total.add(self._npm_check(web, name))
        step.update("vitest")
        total.add(self._vitest(web))
        return total

    def _call(
        self, command: list[str], folder: Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess:
        return subprocess.run(
            command,
            cwd=folder,
            env={**_clean(), "PATH": install.node_path(self._layout), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_PROGRAM_SECONDS_MAX,
            check=False,
        )

    def _npm_check(self, web: Path, name: str) -> Outcome:
        done = self._call(["npm", "run", "--silent", name], web)
        if done.returncode == 0:
            return Outcome(passed=1)
        return Outcome(failures=[f"web: npm run {name}\n{_tail(done.stdout)}"])

    def _vitest(self, web: Path) -> Outcome:
        TEST_FOLDER.mkdir(parents=True, exist_ok=True)
        report = TEST_FOLDER / "vitest.json"
        report.unlink(missing_ok=True)
        reporters = ["--reporter=json", f"--outputFile={report}"]
        done = self._call(["npx", "vitest", "run", *reporters, *self._arguments], web)
        if not report.exists():
            return Outcome(failures=[f"web: vitest did not run\n{_tail(done.stdout)}"])
        outcome = Outcome()
        for file in json.loads(report.read_text(encoding="utf-8"))["testResults"]:
            name = Path(file["name"]).name
            if file["status"] == "failed" and not file["assertionResults"]:
                outcome.failures.append(f"web: {name}\n{file.get('message', '')}")
            for test in file["assertionResults"]:
                if test["status"] == "passed":
                    outcome.passed += 1
                else:
                    text = "\n".join(test.get("failureMessages") or [test["status"]])
                    outcome.failures.append(f"web: {name}: {test['fullName']}\n{_tail(text)}")
        if done.returncode != 0 and not outcome.failures:
            outcome.failures.append(f"web: vitest failed\n{_tail(done.stdout)}")
        return outcome


def _clean() -> dict[str, str]:
    """The environment without any setting of Parley: tests set what they need."""
    kept = {name: text for name, text in os.environ.items() if not is_setting(name)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "CI": os.environ.get("CI", "")}


def _tail(text: str) -> str:
    lines = [line[:400] for line in text.rstrip().splitlines()]
    if len(lines) > _OUTPUT_LINES_MAX:
        lines = ["…", *lines[-_OUTPUT_LINES_MAX:]]
    return "\n".join(f"    {line}" for line in lines)


def _read_gtest(program: str, report: Path) -> Outcome:
    outcome = Outcome()
    try:
        suites = json.loads(report.read_text(encoding="utf-8")).get("testsuites", [])
    except (OSError, ValueError):
        return outcome  # It crashed; its exit code tells.
    for suite in suites:
        for test in suite["testsuite"]:
            if test.get("status") == "NOTRUN" and test.get("result") == "SUPPRESSED":
                continue  # A filter on the command line left it out.
            name = f"{program}: {suite['name']}.{test['name']}"
            failed = [failure["failure"] for failure in test.get("failures", [])]
            if failed:
                outcome.failures.append(f"{name}\n{_tail(chr(10).join(failed))}")
            elif test.get("result") == "COMPLETED":
                outcome.passed += 1
            else:
                outcome.failures.append(f"{name}\n    it was {test.get('result', 'not run')}")
    return outcome


def _read_junit(report: Path) -> Outcome:
    outcome = Outcome()
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname', '')}.{case.get('name', '')}".strip(".")
        bad = [part for part in case if part.tag in ("failure", "error", "skipped")]
        if not bad:
            outcome.passed += 1
            continue
        text = "\n".join(part.text or part.get("message", "") for part in bad)
        outcome.failures.append(f"{name}\n{_tail(text)}")
    return outcome


@contextlib.contextmanager
def _folder_lock(name: str, step: Step):
    """One ./test at a time uses the folder of a suite."""
    TEST_FOLDER.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(TEST_FOLDER / f".{name}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step.update("waiting for another ./test to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _infra(step: Step):
    """Kafka, PostgreSQL and Redis of the integration tests: new, on free ports."""
    folder = TEST_FOLDER / "integration"
    with _folder_lock("integration", step):
        supervisor = Supervisor(folder / "run")
        supervisor.end()
        layout = Layout(data=folder, ports=Ports.free(), throwaway=True)
        postgres = infra.postgres_folder(layout)
        shutil.rmtree(postgres.parent, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        layout.make_folders()
        try:
            step.update("starting Kafka, PostgreSQL and Redis")
            infra.start(layout, supervisor)
            yield layout
        finally:
            supervisor.end()


def _interrupt(*_) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="./test", add_help=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], metavar="SUITE")
    own, rest = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, rest = own[:at], own[at + 1 :]
    arguments = parser.parse_args(own)
    if arguments.help:
        print(_HELP, end="")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return Run(arguments.suites, rest).run()
    except Problem as problem:
        print(f"\n{problem}\n\n0 passed, 1 failed", flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; ./test begins anew.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
