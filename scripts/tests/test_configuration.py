"""docs/configuration.md is what the services and ./run read."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NAME = re.compile(r'"((?:PARLEY|TWILIO|AI|SIMULATOR)_[A-Z_]*[A-Z]|SERVER_URL|MOCK_MODE)"')
# What tests are told by ./test.
_OF_TESTS = re.compile(r"PARLEY_TEST_")


def _documented() -> set[str]:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return set(re.findall(r"`([A-Z][A-Z_]+)`", text))


def test_the_document_is_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "generate-configuration"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_of_run_is_in_it():
    read = {
        name
        for file in (ROOT / "scripts" / "parley").glob("*.py")
        for name in _NAME.findall(file.read_text(encoding="utf-8"))
        if not _OF_TESTS.match(name)
    }
    assert len(read) > 10
    assert read <= _documented()


def test_the_names_of_existing_installations_are_in_it():
    assert {
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_PHONE_NUMBER",
        "SERVER_URL",
        "MOCK_MODE",
        "TWILIO_API_BASE_URL",
        "AI_RESPONSES_ENABLED",
        "AI_RESPONSE_DELAY",
        "AI_PROVIDER",
    } <= _documented()
