"""The files of the repository, as the checks see them."""

import functools
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def files() -> tuple[Path, ...]:
    """Every file that is tracked, or would be with `git add`; relative to the root."""
    listed = subprocess.run(
        # Whoever owns the checkout.
        [
            *("git", "-c", "safe.directory=*", "ls-files", "-z"),
            *("--cached", "--others", "--exclude-standard"),
        ],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = [Path(name) for name in sorted(set(filter(None, listed.split("\0"))))]
    return tuple(path for path in paths if (ROOT / path).is_file() and not _is_input(path))


def _is_input(path: Path) -> bool:
    """Whether it is a fuzz target's input: any bytes at all."""
    return path.parts[:3] in (("tests", "fuzz", "corpus"), ("tests", "fuzz", "regressions"))


def with_suffix(*suffixes: str) -> list[Path]:
    return [file for file in files() if file.suffix in suffixes]


def cpp_files() -> list[Path]:
    return with_suffix(".cc", ".h")


@functools.cache
def text(file: Path) -> str:
    """A file's text; empty for a binary one."""
    data = (ROOT / file).read_bytes()
    return "" if b"\0" in data else data.decode("utf-8", "replace")


def lines(file: Path):
    """(number, line) from 1."""
    return enumerate(text(file).splitlines(), start=1)


def is_lock_file(file: Path) -> bool:
    return file.name in ("package-lock.json", "go.sum")


def scripts(kind: str) -> list[Path]:
    """Files whose first line names an interpreter, "bash" say, and those sourced by them."""
    return [
        file
        for file in files()
        if (text(file).startswith("#!") and kind in text(file).splitlines()[0])
        or (kind == "bash" and file.suffix == ".sh")
        or (kind == "python" and file.suffix == ".py")
    ]


def run(command: list[str]) -> str:
    """The output of a checker that found something; "" if it found nothing."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return ""
    return done.stdout or f"{command[0]} ended with {done.returncode}"


def report(found: list[str]) -> None:
    """Fails with one line for each place."""
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def report_run(command: list[str]) -> None:
    """Fails with what a checker prints."""
    report(run(command).splitlines())
