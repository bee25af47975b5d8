"""Webhooks as Twilio sends them, signed by Twilio's own SDK."""

import itertools
import secrets
import uuid
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from harness.http import Answer, call

_customers = itertools.count(secrets.randbelow(4_000_000))


def new_customer() -> str:
    """A customer's number that no other test uses."""
    return f"+1555{5_000_000 + next(_customers) % 5_000_000:07d}"


def new_sid(prefix: str = "SM") -> str:
    return prefix + secrets.token_hex(16)


class Webhooks:
    """Posts webhooks to a stack the way Twilio does; every part can be made wrong."""

    def __init__(self, stack):
        self._stack = stack
        self._credentials = stack.credentials

    def inbound(self, customer: str, body: str, **more: str) -> dict[str, str]:
        """The parameters of an incoming text."""
        sid = more.pop("MessageSid", new_sid())
        return {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": body,
            "To": self._credentials["phone_number"],
            "NumSegments": "1",
            "MessageSid": sid,
            "AccountSid": self._credentials["account_sid"],
            "From": customer,
            "ApiVersion": "2010-04-01",
            **more,
        }

    def sign(self, path: str, parameters: dict[str, str], token: str | None = None) -> str:
        validator = RequestValidator(token or self._credentials["auth_token"])
        return validator.compute_signature(self._credentials["public"] + path, parameters)

    def post(  # noqa: PLR0913
        self,
        parameters: dict[str, str],
        path: str = "/webhooks/twilio/message",
        signature: str | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        base: str = "public",
    ) -> Answer:
        """Sends one webhook; `signature`, `body` and `headers` replace what would be right."""
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "TwilioProxy/1.1",
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            "X-Twilio-Signature": self.sign(path, parameters) if signature is None else signature,
            **(headers or {}),
        }
        data = urlencode(parameters).encode() if body is None else body
        return call(
            "POST",
            self._credentials[base] + path,
            data,
            {name: value for name, value in sent.items() if value},
        )

    def text(self, customer: str, body: str, **more: str) -> str:
        """A text that must be taken; answers its SID."""
        parameters = self.inbound(customer, body, **more)
        self.post(parameters).expect(200)
        return parameters["MessageSid"]
