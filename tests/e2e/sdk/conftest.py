"""The simulator, an account of its own for each test, and a receiver for its webhooks.

PARLEY_TEST_TWILIO names a running simulator; without it, PARLEY_TEST_SIMULATOR_BINARY is started
on a free port.
"""

import os
import queue
import random
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.rest import Client

WAIT_SECONDS = 10


@dataclass
class Simulator:
    base_url: str
    account_sid: str
    auth_token: str

    def control(self, method: str, path: str, body=None) -> dict:
        """A call to /simulator/v1; fails on anything but 2xx."""
        answer = requests.request(
            method,
            f"{self.base_url}/simulator/v1/{path}",
            json=body,
            auth=(self.account_sid, self.auth_token),
            timeout=WAIT_SECONDS * 2,
        )
        assert answer.ok, answer.text
        return answer.json()

    def client(self, account_sid: str, auth_token: str) -> Client:
        """The official SDK, unmodified: only its addresses are the simulator's."""
        client = Client(account_sid, auth_token)
        for product in (client.api, client.messaging, client.content, client.lookups):
            product.base_url = self.base_url
        return client


@dataclass
class Account:
    sid: str
    token: str
    numbers: list[str]
    client: Client


@dataclass
class Webhook:
    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class Receiver:
    """Keeps what it is sent; answers with what `answers` holds for the path, else 204."""

    url: str
    received: queue.Queue = field(default_factory=queue.Queue)
    answers: dict[str, list] = field(default_factory=dict)

    def next(self) -> Webhook:
        return self.received.get(timeout=WAIT_SECONDS)


@pytest.fixture(scope="session")
def simulator():
    sid = os.environ.get("PARLEY_TEST_TWILIO_SID") or "AC" + "1" * 32
    token = os.environ.get("PARLEY_TEST_TWILIO_TOKEN") or "1" * 32
    running = os.environ.get("PARLEY_TEST_TWILIO")
    if running:
        yield Simulator(running.rstrip("/"), sid, token)
        return
    binary = os.environ.get("PARLEY_TEST_SIMULATOR_BINARY")
    if not binary:
        pytest.fail("set PARLEY_TEST_TWILIO or PARLEY_TEST_SIMULATOR_BINARY", pytrace=False)
    process = subprocess.Popen(
        [binary, "--port", "0", "--account-sid", sid, "--auth-token", token],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # It prints its address once it listens.
        first_line = process.stdout.readline()
        base_url = first_line.split()[1]
        yield Simulator(base_url, sid, token)
    finally:
        process.terminate()
        process.wait(timeout=WAIT_SECONDS)


@pytest.fixture
def account(simulator) -> Account:
    """A new account with two numbers, so that no test sees another's messages."""
    numbers = [f"+1555{random.randrange(10**7):07d}" for _ in range(2)]
    sid = "AC" + f"{random.getrandbits(128):032x}"
    made = simulator.control("POST", "accounts", {"sid": sid, "numbers": numbers})
    return Account(sid, made["auth_token"], numbers, simulator.client(sid, made["auth_token"]))


@pytest.fixture
def receiver():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            path = self.path.split("?")[0]
            params = dict(parse_qsl(body, keep_blank_values=True))
            made.received.put(Webhook(self.path, params, dict(self.headers)))
            answers = made.answers.get(path)
            status, kind, content = answers.pop(0) if answers else (204, None, b"")
            self.send_response(status)
            if kind:
                self.send_header("Content-Type", kind)
            if status != 204:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = _answer
        do_POST = _answer

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
