"""A send whose answer was lost: evidence settles it, or a person decides."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from harness import wait_until
from harness.twilio_webhooks import new_customer

NO_FAULTS = {"accept_then_drop_rate": 0, "list_lag_ms": 0, "callback_delay_ms": 0}
HOUR_MS = 3_600_000


@pytest.fixture
def lost_answers(stack):
    """Twilio takes what is sent, but its answer does not come back."""

    def lose(**more):
        stack.simulator.faults(**{**NO_FAULTS, "accept_then_drop_rate": 1, **more})

    yield lose
    stack.simulator.faults(**NO_FAULTS)
    stack.simulator.settings(callbacks=True)


def send(stack, customer: str, body: str) -> str:
    request = {"channelId": stack.credentials["channel_id"], "to": customer, "body": body}
    return stack.call("POST", "/v1/messages", request).expect(200).json()["id"]


def message(stack, message_id: str) -> dict:
    return stack.get(f"/v1/messages/{message_id}").expect(200).json()


def wait_for_status(stack, message_id: str, status: str, timeout_s: float = 20) -> dict:
    def there():
        found = message(stack, message_id)
        return found if found["status"] == f"STATUS_{status}" else None

    return wait_until(there, timeout_s, lambda: str(message(stack, message_id)), step_s=0.1)


def history(stack, message_id: str) -> list[tuple[str, str]]:
    changes = stack.get(f"/v1/messages/{message_id}/history").expect(200).json()["changes"]
    return [
        (change["status"].removeprefix("STATUS_"), change["source"].removeprefix("SOURCE_"))
        for change in changes
    ]


def sent_to(stack, customer: str) -> list[dict]:
    return [entry for entry in stack.simulator.ledger() if entry["to"] == customer]


def test_a_callback_settles_what_nobody_answered(stack, lost_answers):
    customer = new_customer()
    lost_answers(callback_delay_ms=1_000, list_lag_ms=HOUR_MS)
    message_id = send(stack, customer, "Did you get this?")
    settled = wait_for_status(stack, message_id, "DELIVERED")
    (entry,) = sent_to(stack, customer)
    assert settled["messageSid"] == entry["sid"]
    assert ("UNCONFIRMED", "SENDER") in history(stack, message_id)


def test_the_list_settles_what_nobody_answered(stack, lost_answers):
    customer = new_customer()
    stack.simulator.settings(callbacks=False)
    lost_answers(list_lag_ms=5_000)
    message_id = send(stack, customer, "Is this in the list?")
    waiting = wait_for_status(stack, message_id, "UNCONFIRMED")
    assert waiting["unconfirmed"]["nextLookTime"]
    settled = wait_for_status(stack, message_id, "SENT", timeout_s=40)
    (entry,) = sent_to(stack, customer)
    assert settled["messageSid"] == entry["sid"]


# From the request until a later message speaks against one that the list does not show: Twilio's
# time to answer (10 s), 6 s, and what clocks may differ (15 s).
LATER_S = 32


def test_the_policy_repeats_what_the_list_speaks_against(stack, lost_answers):
    policy = {"unconfirmedPolicy": "UNCONFIRMED_POLICY_RESEND", "unconfirmedAfterMinutes": 1}
    stack.call("PATCH", "/v1/organization", policy).expect(200)
    try:
        customer = new_customer()
        lost_answers(accept_then_drop_rate=0, drop_before_rate=1)
        began = time.monotonic()
        message_id = send(stack, customer, "Lost on the way")
        wait_for_status(stack, message_id, "UNCONFIRMED")
        stack.simulator.faults(**NO_FAULTS)
        wait_until(lambda: time.monotonic() > began + LATER_S, LATER_S + 1, step_s=0.5)
        send(stack, new_customer(), "Later")
        again = wait_for_status(stack, message_id, "DELIVERED", timeout_s=120)
        (entry,) = sent_to(stack, customer)
        assert again["messageSid"] == entry["sid"]
        assert ("QUEUED", "POLICY") in history(stack, message_id)
    finally:
        policy = {"unconfirmedPolicy": "UNCONFIRMED_POLICY_ASK", "unconfirmedAfterMinutes": 30}
        stack.call("PATCH", "/v1/organization", policy).expect(200)


def test_without_evidence_a_person_decides(stack, lost_answers):
    stack.simulator.settings(callbacks=False)
    lost_answers(list_lag_ms=HOUR_MS)
    first, second = new_customer(), new_customer()
    given_up = send(stack, first, "Given up")
    repeated = send(stack, second, "Repeated")
    for message_id in (given_up, repeated):
        assert wait_for_status(stack, message_id, "UNCONFIRMED")["unconfirmed"]
    listed = stack.get("/v1/unconfirmedMessages?pageSize=200").expect(200).json()
    assert {given_up, repeated} <= {one["id"] for one in listed["messages"]}

    stack.simulator.faults(**{**NO_FAULTS, "list_lag_ms": HOUR_MS})
    resolve = {"resolution": "RESOLUTION_MARK_FAILED"}
    stack.call("POST", f"/v1/messages/{given_up}:resolve", resolve).expect(200)
    assert message(stack, given_up)["status"] == "STATUS_FAILED"
    resolve = {"resolution": "RESOLUTION_SEND_AGAIN"}
    stack.call("POST", f"/v1/messages/{repeated}:resolve", resolve).expect(200)
    wait_for_status(stack, repeated, "SENT", timeout_s=40)
    # It is decided: a second click changes nothing.
    assert stack.call("POST", f"/v1/messages/{repeated}:resolve", resolve).status == 400

    assert len(sent_to(stack, first)) == 1
    copies = sent_to(stack, second)
    assert len(copies) == 2, "sent again, and the customer has both"
    assert message(stack, repeated)["messageSid"] == copies[1]["sid"]
    assert ("FAILED", "PERSON") in history(stack, given_up)
    assert ("QUEUED", "PERSON") in history(stack, repeated)


def test_a_scheduled_message_is_canceled_before_its_time(stack):
    customer = new_customer()
    request = {
        "channelId": stack.credentials["channel_id"],
        "to": customer,
        "body": "See you tomorrow",
        "sendTime": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    }
    scheduled = stack.call("POST", "/v1/messages", request).expect(200).json()
    assert scheduled["status"] == "STATUS_SCHEDULED"
    canceled = stack.call("POST", f"/v1/messages/{scheduled['id']}:cancel", {}).expect(200).json()
    assert canceled["outcome"] == "OUTCOME_CANCELED"
    assert canceled["message"]["status"] == "STATUS_CANCELED"
    assert sent_to(stack, customer) == []
