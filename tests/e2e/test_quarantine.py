"""Webhooks that were signed for another public address: kept, shown, and released."""

import uuid

import pytest
from twilio.request_validator import RequestValidator

from harness import wait_until
from harness.inbox import thread
from harness.twilio_webhooks import Webhooks, new_customer

PATH = "/webhooks/twilio/message"
TUNNEL = "https://tunnel.example.com"


@pytest.fixture
def wrongly_addressed(stack):
    """Posts a text that Twilio signed for the tunnel's address; answers the customer's number."""
    webhooks = Webhooks(stack)
    channel = f"/v1/channels/{stack.credentials['channel_id']}"

    def post(body: str) -> str:
        customer = new_customer()
        parameters = webhooks.inbound(customer, body)
        validator = RequestValidator(stack.credentials["auth_token"])
        signature = validator.compute_signature(TUNNEL + PATH, parameters)
        headers = {"I-Twilio-Idempotency-Token": str(uuid.uuid4())}
        for _ in range(3):  # Twilio repeats itself.
            webhooks.post(parameters, PATH, signature, headers=headers).expect(403)
        return customer

    yield post
    stack.call("PATCH", f"{channel}?updateMask=publicUrl", {"publicUrl": ""}).expect(200)


def quarantined(stack, customer: str) -> list[dict]:
    page = stack.get("/v1/quarantinedWebhooks?pageSize=200").expect(200).json()
    ending = customer[-2:]
    found = []
    for one in page["quarantinedWebhooks"]:
        if one["customerNumber"].endswith(ending) and one["reason"] == "SIGNATURE_MISMATCH":
            found.append(one)
    return found


def test_what_was_refused_is_released_once_the_address_is_right(stack, wrongly_addressed):
    customer = wrongly_addressed("Is anybody there?")
    kept = wait_until(lambda: quarantined(stack, customer), 10, "it is not in the quarantine")
    assert len(kept) == 1, "a repeat is kept once"
    assert kept[0]["verifies"] is False
    assert f"{stack.credentials['public']}{PATH}" in kept[0]["triedUrls"]
    assert "anybody" not in str(stack.get(f"/v1/quarantinedWebhooks/{kept[0]['id']}").body)
    assert thread(stack, customer) == []

    stack.post("/v1/quarantinedWebhooks:release").expect(200)
    assert len(quarantined(stack, customer)) == 1, "what does not verify stays"

    channel = f"/v1/channels/{stack.credentials['channel_id']}"
    stack.call("PATCH", channel, {"publicUrl": TUNNEL}).expect(200)
    assert quarantined(stack, customer)[0]["verifies"] is True
    released = stack.post("/v1/quarantinedWebhooks:release").expect(200).json()
    assert released["releasedCount"] >= 1
    messages = wait_until(lambda: thread(stack, customer), 10, "it was not released")
    assert [m["body"] for m in messages if m["direction"] == "DIRECTION_INBOUND"] == [
        "Is anybody there?"
    ]
    assert quarantined(stack, customer) == []
