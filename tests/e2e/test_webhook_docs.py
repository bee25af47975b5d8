"""The commands of docs/webhooks.md, run as they stand there, against a test installation."""

import json
import os
import re
import subprocess

import pytest

from parley.layout import CHECKOUT

PAGE = CHECKOUT / "docs" / "webhooks.md"


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def ports(stack) -> dict[str, str]:
    """./run's settings for the ports of the installation under test."""
    return {
        f"PARLEY_PORT_{name.upper()}": str(port) for name, port in vars(stack.layout.ports).items()
    }


def run(stack, command: str) -> str:
    command = command.replace("http://127.0.0.1:8080", stack.credentials["public"])
    command = command.replace(".local/", f"{stack.layout.data}/")
    command = command.replace("build/release/", f"{stack.layout.build}/")
    admin = stack.installation.admin_port("webhook-ingest")
    command = command.replace("http://127.0.0.1:9101", f"http://127.0.0.1:{admin}")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=CHECKOUT,
        env={
            **os.environ,
            **ports(stack),
            "PARLEY_LOCAL_DIR": str(stack.layout.data),
            "PARLEY_API_KEY": stack.credentials["api_key"],
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


SPOOL = "build/release/bin/webhook-ingest spool"
FOLDER = "--dir .local/webhook-ingest/spool"

# What each command must say; the page may hold no other.
EXPECTED = {
    "./run doctor": "checks passed",
    "curl -sS -X POST http://127.0.0.1:8080/webhooks/twilio/message": "SIGNATURE_MISSING",
    "curl -sS http://127.0.0.1:8080/api/webhooks/health": '"status":"ok"',
    "curl -sS http://127.0.0.1:9101/metrics | grep parley_webhook_ingest": "_directory_",
    "./run logs webhook-ingest": '"event":"started"',
    f"{SPOOL} list {FOLDER}": "\n0 records wait",
    f"{SPOOL} verify {FOLDER}": "\n0 records wait",
}


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_page_does_what_it_says(stack, command):
    answer = run(stack, command)
    if " spool show " in command:
        assert answer == ""  # A line for each record that waits; Kafka is up, so none does.
        return
    if command in EXPECTED:
        assert EXPECTED[command] in answer
        return
    assert "quarantinedWebhooks" in command, f"nobody says what to expect of: {command}"
    assert "error" not in json.loads(answer), answer
