"""What ./run promises: routing, restarts, doctor, and that stopping leaves nothing behind."""

import os
import signal
import subprocess
import time

import pytest

from harness import Stack, wait_until
from harness.twilio_webhooks import Webhooks
from parley import processes
from parley.components import COMPONENTS, SERVICES
from parley.doctor import Doctor

CREDENTIALS = {
    "organization_id",
    "email",
    "password",
    "api_key",
    "account_sid",
    "auth_token",
    "phone_number",
    "channel_id",
    "public",
    "http",
    "live",
    "grpc",
    "webhooks",
    "twilio",
}


def test_the_credentials_file_is_complete_and_private(stack):
    assert set(stack.credentials) >= CREDENTIALS
    assert all(stack.credentials[name] for name in CREDENTIALS)
    assert stack.layout.credentials.stat().st_mode & 0o077 == 0


def test_every_component_has_its_process_id(stack):
    for name in COMPONENTS:
        assert (stack.layout.run / f"{name}.pid").read_text() == f"{stack.pid(name)}\n"


def test_the_edge_routes_to_each_service(stack):
    assert stack.get("/api/health").status == 200
    assert stack.get("/api/webhooks/health").status == 200
    assert b"<html" in stack.get("/", token=None).body.lower()
    # A webhook with a wrong signature is refused by webhook-ingest, not lost at the edge.
    webhooks = Webhooks(stack)
    text = webhooks.inbound("+15550009000", "not from Twilio")
    for path in ("/api/webhooks/sms", "/webhooks/twilio/message"):
        assert webhooks.post(text, path=path, signature="wrong").status == 403, path


def test_live_events_pass_the_edge_unbuffered(stack):
    command = [
        *("curl", "-s", "-N", "--max-time", "10"),
        *("-H", f"Authorization: Bearer {stack.credentials['api_key']}"),
        f"{stack.credentials['public']}/v1/live",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        began = time.monotonic()
        os.set_blocking(curl.stdout.fileno(), False)
        received = bytearray()

        def something_came() -> bool:
            received.extend(curl.stdout.read() or b"")
            return bool(received)

        try:
            stack.simulator.inbound(
                from_="+15550009001", to=stack.credentials["phone_number"], body="live through edge"
            )
            wait_until(something_came, timeout_s=5, what="no live event came through the edge")
            assert time.monotonic() - began < 5
        finally:
            curl.kill()


@pytest.mark.parametrize("name", SERVICES)
def test_a_killed_service_is_back_within_a_second(stack, name):
    began = time.monotonic()
    old = stack.kill(name)
    wait_until(lambda: stack.pid(name) not in (None, old), timeout_s=5)
    assert time.monotonic() - began < 1.2
    stack.wait_ready(name)


def test_a_stopped_service_stays_stopped_and_starts_again(stack):
    stack.stop_component("ai-responder")
    assert stack.pid("ai-responder") is None
    assert not stack.is_ready("ai-responder")
    stack.start_component("ai-responder")
    assert stack.is_ready("ai-responder")


def test_doctor_passes(stack):
    lines: list[str] = []
    code = Doctor(stack.installation, lines.append).run()
    assert code == 0, "\n".join(lines)
    passed, of, total = lines[-1].split()[:3]
    assert (passed, of) == (total, "of")


def test_starting_again_changes_nothing_and_is_quick(stack):
    before = {name: stack.pid(name) for name in COMPONENTS}
    credentials = dict(stack.credentials)
    began = time.monotonic()
    stack.start()
    assert time.monotonic() - began < 10
    assert {name: stack.pid(name) for name in COMPONENTS} == before
    assert stack.credentials == credentials


@pytest.mark.timeout(300)
def test_a_stack_stops_without_leaving_a_process():
    small = Stack.in_test_folder("e2e-stop")
    try:
        small.start()
        pids = {name: small.pid(name) for name in (*COMPONENTS, "supervisor")}
        assert None not in pids.values()
    finally:
        small.close()
    left = {name: pid for name, pid in pids.items() if processes.start_time(pid) is not None}
    assert left == {}
    assert list(small.layout.run.glob("*.pid")) == []


def test_sigterm_ends_a_service_cleanly(stack):
    """SIGTERM drains; the supervisor then starts it again, as nobody asked it to stay away."""
    for name in SERVICES:
        old = stack.pid(name)
        os.kill(old, signal.SIGTERM)
        assert processes.wait_gone(old, timeout_s=25), f"{name} did not end within 25 s"
        wait_until(lambda name=name, old=old: stack.pid(name) not in (None, old), timeout_s=5)
        assert stack.supervisor.status()[name]["last_exit"] == 0, name
        stack.wait_ready(name)
