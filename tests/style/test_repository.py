"""The repository as a whole: sizes, leftovers, links, commands."""

import re
import subprocess
from pathlib import Path

import repository

FILE_BYTES_MAX = 2 << 20
# Written so that this file does not find itself.
_UNFINISHED = re.compile(
    r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b|not imple" + r"mented|GTEST_" + r"SKIP|DIS" + r"ABLED_"
    r"|\b(it|test|describe)\.(skip|only|todo)\b|pytest\.mark\.(skip|xfail)"
)
_CODE = {".cc", ".h", ".ts", ".vue", ".js", ".mjs", ".py", ".sh", ".proto", ".sql", ".cmake", ""}
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_SLEEP = re.compile(r"sleep_for|sleep_until|usleep\(|\bsleep\(")


def test_no_file_is_too_big():
    repository.report(
        [
            f"{file}: {(repository.ROOT / file).stat().st_size >> 10} KiB"
            for file in repository.files()
            if (repository.ROOT / file).stat().st_size > FILE_BYTES_MAX
        ]
    )


def test_nothing_is_unfinished_or_switched_off():
    found = []
    for file in repository.files():
        if file.suffix not in _CODE:
            continue
        for number, line in repository.lines(file):
            if _UNFINISHED.search(line):
                found.append(f"{file}:{number}: {line.strip()[:90]}")
    repository.report(found)


def test_unit_tests_do_not_sleep():
    found = []
    for file in repository.cpp_files():
        if "tests" not in file.parts or file.parts[0] == "tests":
            continue
        for number, line in repository.lines(file):
            if _SLEEP.search(line.split("//")[0]):
                found.append(f"{file}:{number}: {line.strip()[:90]}")
    repository.report(found)


def test_markdown_links_resolve():
    found = []
    for file in repository.with_suffix(".md"):
        for number, line in repository.lines(file):
            for link in (a or b for a, b in _LINK.findall(line)):
                if re.match(r"[a-z]+:", link) or link.startswith("#"):
                    continue
                target = (repository.ROOT / file).parent / link.split("#")[0]
                if not target.exists():
                    found.append(f"{file}:{number}: {link} does not exist")
    repository.report(found)


def test_markdown_anchors_resolve():
    found = []
    for file in repository.with_suffix(".md"):
        for number, line in repository.lines(file):
            for link in (a or b for a, b in _LINK.findall(line)):
                path, hash_mark, anchor = link.partition("#")
                if not hash_mark or re.match(r"[a-z]+:", link):
                    continue
                target = (repository.ROOT / file).parent / path if path else repository.ROOT / file
                if target.suffix == ".md" and target.exists():
                    if anchor not in _anchors(target.read_text(encoding="utf-8")):
                        found.append(f"{file}:{number}: {link} has no such heading")
    repository.report(found)


def _anchors(markdown: str) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in headings}


def test_commands_in_the_documentation_exist():
    """`./run VERB` and `./test SUITE`, scripts/… and build/… commands in README and docs."""
    help_of = {
        command: subprocess.run(
            [str(repository.ROOT / command), "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in ("run", "test")
    }
    found = []
    for file in repository.with_suffix(".md"):
        for number, line in repository.lines(file):
            for command, word in re.findall(r"(?:^|`|\$ )\./(run|test) +([a-z]\w+)", line):
                if not re.search(rf"\b{word}\b", help_of[command]):
                    found.append(f"{file}:{number}: ./{command} {word} is unknown")
            for script in re.findall(r"(?<![\w/])scripts/[\w./-]*\w", line):
                if not (repository.ROOT / script).exists():
                    found.append(f"{file}:{number}: {script} does not exist")
    repository.report(found)


def test_commands_can_be_run():
    for name in ("run", "test", ".ci/run"):
        assert (repository.ROOT / name).stat().st_mode & 0o111, f"{name} has no run bit"
    assert "./test" in repository.text(Path(".ci/run"))


def test_scripts_with_an_interpreter_can_be_run():
    repository.report(
        [
            f"{file}: it names an interpreter and has no run bit"
            for file in repository.files()
            if repository.text(file).startswith("#!")
            and not (repository.ROOT / file).stat().st_mode & 0o111
        ]
    )
