"""What ./run doctor says of a Twilio account, with a small server in Twilio's place."""

import http.server
import json
import re
import threading

import pytest

from parley import doctor
from parley.components import Installation
from parley.layout import Layout, Ports
from parley.settings import Settings

SID = "AC" + "3" * 32
TOKEN = "4" * 32
NUMBER = "+15005550006"
PUBLIC = "https://texts.example.com"

GOOD = {
    "account": (200, {"status": "active", "type": "Full", "friendly_name": "Shop"}),
    "balance": (200, {"balance": "12.34", "currency": "USD"}),
    # As the gateway's API shows them.
    "channel": (200, {}),
    "connected account": (200, {}),
    "numbers": (
        200,
        {
            "incoming_phone_numbers": [
                {
                    "phone_number": NUMBER,
                    "capabilities": {"sms": True, "mms": True, "voice": True},
                    "sms_url": f"{PUBLIC}/webhooks/twilio/sms#rc=5",
                    "voice_url": f"{PUBLIC}/api/webhooks/voice",
                }
            ]
        },
    ),
}


class _Twilio(http.server.BaseHTTPRequestHandler):
    answers: dict = {}

    def do_GET(self):
        kind = "account"
        if "Balance" in self.path:
            kind = "balance"
        elif "IncomingPhoneNumbers" in self.path:
            kind = "numbers"
        elif "/v1/channels/" in self.path:
            kind = "channel"
        elif "/v1/twilioAccounts/" in self.path:
            kind = "connected account"
        status, body = self.answers[kind]
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def examine(tmp_path):
    """Runs doctor with an account and the given answers of Twilio and the gateway: (lines, exit
    code)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Twilio)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(answers=None, **settings):
        _Twilio.answers = {**GOOD, **(answers or {})}
        layout = Layout(data=tmp_path, ports=Ports.free())
        layout.make_folders()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        layout.credentials.write_text(
            json.dumps({"http": address, "api_key": "k", "channel_id": "c", "account_sid": SID})
        )
        layout.credentials.chmod(0o600)
        values = {
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_PHONE_NUMBER": NUMBER,
            "SERVER_URL": PUBLIC,
            "TWILIO_API_BASE_URL": address,
            **settings,
        }
        values = {name: value for name, value in values.items() if value is not None}
        lines: list[str] = []
        code = doctor.Doctor(
            Installation(layout, Settings.load(layout, values)), lines.append
        ).run()
        return "\n".join(lines), code

    yield run
    server.shutdown()
    server.server_close()


def failed(text):
    return re.findall(r"FAILED  ([^:\n]+)", text)


def of_twilio(text):
    return text[text.index("\nTwilio\n") :]


def test_a_good_account_passes_while_services_are_stopped(examine):
    text, _ = examine()
    assert failed(of_twilio(text)) == []
    assert "gateway: stopped, not checked" in text
    assert re.search(r"\d+ of \d+ checks passed$", text)
    for part in ("Twilio accepts them (Shop)", "12.34 USD", "sms, mms, voice"):
        assert part in text


def test_trial_limits_are_told(examine):
    text, _ = examine({"account": (200, {"status": "active", "type": "Trial"})})
    assert "sends to verified numbers only" in text


CASES = [
    ("refused credentials", {"account": (401, {"code": 20003})}, "Credentials"),
    ("a suspended account", {"account": (200, {"status": "suspended"})}, "Account"),
    ("no money", {"balance": (200, {"balance": "-0.10", "currency": "USD"})}, "Balance"),
    ("another's number", {"numbers": (200, {"incoming_phone_numbers": []})}, "Phone number"),
]


@pytest.mark.parametrize("label, answers, what", CASES, ids=[case[0] for case in CASES])
def test_what_is_wrong_with_the_account_fails(examine, label, answers, what):
    text, code = examine(answers)
    assert what in failed(of_twilio(text)), label
    assert code == 1


def number_with(**facts):
    entry = {**GOOD["numbers"][1]["incoming_phone_numbers"][0], **facts}
    return {"numbers": (200, {"incoming_phone_numbers": [entry]})}


def test_a_number_without_sms_fails(examine):
    text, _ = examine(number_with(capabilities={"sms": False, "voice": True}))
    assert "What it can" in failed(text)


def test_webhooks_that_point_elsewhere_fail(examine):
    for kind in ("sms", "voice"):
        elsewhere = {f"{kind}_url": "https://other.example.com/webhooks/x"}
        text, _ = examine(number_with(**elsewhere))
        assert failed(of_twilio(text)) == [f"Webhook for {kind}"]
        text, _ = examine(number_with(**{f"{kind}_url": None}))
        assert failed(of_twilio(text)) == [f"Webhook for {kind}"]


def test_webhooks_go_to_the_channels_or_the_accounts_own_address(examine):
    own = number_with(
        sms_url="https://own.example.com/webhooks/twilio/message",
        voice_url="https://own.example.com/webhooks/twilio/voice",
    )
    shown = (200, {"publicUrl": "https://own.example.com"})
    for who in ("channel", "connected account"):
        text, _ = examine({**own, who: shown})
        assert failed(of_twilio(text)) == [], who
    text, _ = examine({who: shown})
    assert failed(of_twilio(text)) == ["Webhook for sms", "Webhook for voice"]


def test_a_number_without_voice_needs_no_webhook_for_calls(examine):
    text, _ = examine(number_with(capabilities={"sms": True, "voice": False}, voice_url=None))
    assert failed(of_twilio(text)) == []


def test_test_credentials_are_accepted_and_shown(examine):
    text, _ = examine({"account": (403, {"code": 20008})})
    assert failed(of_twilio(text)) == []
    assert "test credentials" in of_twilio(text)


SETTINGS = [
    ("TWILIO_ACCOUNT_SID", "AC123"),
    ("TWILIO_AUTH_TOKEN", "short"),
    ("TWILIO_PHONE_NUMBER", "0123456"),
    ("TWILIO_PHONE_NUMBER", None),
    ("SERVER_URL", "texts.example.com"),
    ("SERVER_URL", "http://127.0.0.1:8080"),
    ("MOCK_MODE", "maybe"),
    ("TWILIO_API_BASE_URL", "nonsense"),
    ("AI_RESPONSES_ENABLED", "perhaps"),
    ("AI_RESPONSE_DELAY", "soon"),
    ("AI_PROVIDER", "magic"),
]


@pytest.mark.parametrize("name, value", SETTINGS)
def test_each_wrong_setting_fails_by_its_name(examine, name, value):
    text, code = examine(**{name: value})
    assert name in failed(text)
    assert code == 1
    after = text[text.index(f"FAILED  {name}") :].splitlines()[1]
    assert after.startswith("          "), "no remedy is given"


def test_https_is_demanded_in_production(examine):
    text, _ = examine(PARLEY_ENV="production", SERVER_URL="http://texts.example.com")
    assert "SERVER_URL" in failed(text)


def test_a_key_that_others_may_read_fails(examine, tmp_path):
    (tmp_path / "keys").mkdir(exist_ok=True)
    key = tmp_path / "keys" / "master.key"
    key.write_text("k1:" + "A" * 43 + "=\n")
    key.chmod(0o644)
    text, _ = examine()
    assert "master.key is private" in failed(text)
    key.write_text("k1:short\n")
    text, _ = examine()
    assert "master.key holds keys" in failed(text)
