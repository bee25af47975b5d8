"""Formatters and linters."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import repository

LINE_COLUMNS_MAX = 100
RUFF = str(Path(sys.executable).with_name("ruff"))
_LONG_LINES_ALLOWED = {".md", ".json", ".svg", ".sql", ".html", ".css", ".txt", ".proto", ".xml"}


def _batches(files: list[Path], size: int) -> list[list[str]]:
    names = [str(file) for file in files]
    return [names[at : at + size] for at in range(0, len(names), size)]


def test_cpp_is_formatted():
    def check(batch: list[str]) -> str:
        return repository.run(["clang-format-14", "--dry-run", "-Werror", *batch])

    with ThreadPoolExecutor(2) as pool:
        output = "".join(pool.map(check, _batches(repository.cpp_files(), 20)))
    files = dict.fromkeys(re.findall(r"^(\S+?):\d+:\d+: error", output, re.MULTILINE))
    repository.report([f"{file}: clang-format-14 -i formats it" for file in files])


def test_python_is_formatted():
    repository.report_run(
        [RUFF, "format", "--diff", "--quiet", "--config", _beside("ruff.toml"), *_python()]
    )


def test_python_passes_ruff():
    repository.report_run(
        [RUFF, "check", "--output-format=concise", "--config", _beside("ruff.toml"), *_python()]
    )


def _python() -> list[str]:
    return [str(file) for file in repository.scripts("python")]


def _beside(name: str) -> str:
    return str(Path(__file__).with_name(name))


def test_shell_scripts_pass_shellcheck():
    repository.report_run(["shellcheck", "-x", *map(str, repository.scripts("bash"))])


def test_yaml_passes_yamllint():
    files = [f for f in repository.with_suffix(".yml", ".yaml") if f.parts[0] != "api"]
    repository.report_run(
        ["yamllint", "--strict", "-c", _beside("yamllint.yaml"), *map(str, files)]
    )


def test_protos_pass_buf_lint():
    buf = os.environ.get("PARLEY_TEST_BUF")
    assert buf, "run this through ./test style, which installs buf"
    repository.report_run([buf, "lint", "proto"])


def test_lines_are_at_most_100_columns():
    found = []
    for file in repository.files():
        if file.suffix in _LONG_LINES_ALLOWED or repository.is_lock_file(file):
            continue
        if file.parts[0] in ("web", "api"):
            continue  # Prettier's, where lists of classes stay on one line; generated.
        for number, line in repository.lines(file):
            # A string or an address that cannot be broken may stand alone.
            if len(line) > LINE_COLUMNS_MAX and not re.search(r"https?://\S{40}", line):
                found.append(f"{file}:{number}: {len(line)} columns")
    repository.report(found)


@pytest.mark.parametrize(
    "pattern, what",
    [
        (r"[ \t]+$", "space at the end of the line"),
        (r"^(<{7}|>{7}|={7})( |$)", "an unsolved merge"),
        (r"\r$", "a line end of Windows"),
    ],
)
def test_lines_are_clean(pattern, what):
    bad = re.compile(pattern)
    found = []
    for file in repository.files():
        if file.suffix == ".svg":
            continue
        data = repository.text(file)
        for number, line in enumerate(data.split("\n"), start=1):
            if bad.search(line):
                found.append(f"{file}:{number}: {what}")
    repository.report(found)


def test_files_end_with_a_line_end():
    repository.report(
        [
            str(file)
            for file in repository.files()
            if repository.text(file) and not repository.text(file).endswith("\n")
        ]
    )


def test_headers_are_guarded():
    repository.report(
        [
            f"{file}: no #pragma once"
            for file in repository.cpp_files()
            if file.suffix == ".h" and "#pragma once" not in repository.text(file)
        ]
    )
