"""The commands of docs/delivery.md, run as they stand there, against a test installation."""

import os
import re
import subprocess

import pytest

from parley.layout import CHECKOUT

PAGE = CHECKOUT / "docs" / "delivery.md"

# What each command must say, by how it begins; the page may hold no other.
EXPECTED = {
    "build/release/bin/sender queues": "",
    "build/release/bin/sender pause $ACCOUNT $NUMBER": "Paused number",
    "build/release/bin/sender breakers": "ticket 12",
    "build/release/bin/sender resume $ACCOUNT $NUMBER": "Resumed number",
    "curl -sS 'http://127.0.0.1:9103/breakers": '{"breakers":[',
    "curl -sS http://127.0.0.1:9103/pause": "Paused account",
    "curl -sS http://127.0.0.1:9103/resume": "Resumed account",
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture
def nothing_stays_paused(stack):
    yield
    stack.query("DELETE FROM sender.pauses")


def test_the_commands_of_the_page_do_what_they_say(stack, nothing_stays_paused):
    admin = stack.installation.admin_port("sender")
    for command in commands():
        expected = [says for begins, says in EXPECTED.items() if command.startswith(begins)]
        assert expected, f"nobody says what to expect of: {command}"
        here = command.replace("build/release/", f"{stack.layout.build}/")
        here = here.replace("127.0.0.1:9103", f"127.0.0.1:{admin}")
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here],
            env={
                **os.environ,
                "PARLEY_DATABASE_URL": stack.database_url,
                "ACCOUNT": stack.credentials["account_sid"],
                "NUMBER": stack.credentials["phone_number"],
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}\n{done.stderr[-1000:]}"
        assert expected[0] in done.stdout, f"{command}\n{done.stdout}"


def test_the_page_has_all_of_them():
    assert len(commands()) == len(EXPECTED)
