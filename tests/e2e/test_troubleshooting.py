"""The commands of docs/troubleshooting.md work, and show something."""

import dataclasses
import os
import re
import subprocess

import pytest

from parley.layout import CHECKOUT, Ports

_DOCUMENT = CHECKOUT / "docs" / "troubleshooting.md"


def _commands() -> list[str]:
    text = _DOCUMENT.read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for _, block in blocks for line in block.splitlines() if line.strip()]


def _here(command: str, stack) -> str:
    """The command for the stack's folder and ports in place of ./run's."""
    for field in dataclasses.fields(Ports):
        port = getattr(stack.layout.ports, field.name)
        command = re.sub(rf"(127\.0\.0\.1:){field.default}\b", rf"\g<1>{port}", command)
    command = command.replace(".local/webhook-ingest", str(stack.layout.data / "webhook-ingest"))
    return command.replace("build/release", str(stack.layout.build))


def test_the_document_has_commands():
    assert len(_commands()) >= 15


@pytest.mark.parametrize("command", dict.fromkeys(_commands()))
def test_a_command_of_the_document_works(stack, command):
    ports = {
        f"PARLEY_PORT_{field.name.upper()}": str(getattr(stack.layout.ports, field.name))
        for field in dataclasses.fields(Ports)
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", _here(command, stack)],
        cwd=CHECKOUT,
        env={
            **os.environ,
            **ports,
            "PARLEY_LOCAL_DIR": str(stack.layout.data),
            "PARLEY_API_KEY": stack.credentials["api_key"],
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-1000:]}"
    # No dead letter is a good sign.
    assert done.stdout.strip() or "dead-letter" in command, command
