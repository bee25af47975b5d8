"""What Twilio's list of messages tells that no webhook did."""

import pytest

from harness import wait_until
from harness.inbox import thread
from harness.twilio_webhooks import Webhooks, new_customer


@pytest.fixture
def caught_up(stack):
    """Restarts the gateway, which then compares Twilio's list with the store."""

    def restart() -> None:
        stack.restart_component("gateway", PARLEY_CATCH_UP_LEAVE_FOR="0")

    yield restart
    stack.restart_component("gateway", PARLEY_CATCH_UP_LEAVE_FOR=None)


def lose(stack, texts: list[tuple[str, str]]) -> None:
    """Texts in while nobody takes them, until Twilio has given up."""
    stack.simulator.settings(inbound_retry_delay_ms=1)
    stack.stop_component("webhook-ingest")
    try:
        for customer, body in texts:
            answer = stack.simulator.inbound(
                from_=customer, to=stack.credentials["phone_number"], body=body
            )
            assert answer.json()["webhook"]["delivered"] is False
    finally:
        stack.start_component("webhook-ingest")
        stack.simulator.settings(inbound_retry_delay_ms=300)


def test_a_text_that_found_nobody_is_recovered_once(stack, caught_up):
    customer, other = new_customer(), new_customer()
    lose(stack, [(customer, "first"), (customer, "second"), (other, "STOP")])
    assert thread(stack, customer) == []

    caught_up()
    wait_until(lambda: len(thread(stack, customer)) >= 2, 30, "they were not recovered")
    inbound = [m for m in thread(stack, customer) if m["direction"] == "DIRECTION_INBOUND"]
    assert [(m["body"], m["recovered"]) for m in inbound] == [("first", True), ("second", True)]
    wait_until(lambda: thread(stack, other), 30, "the keyword was not recovered")
    refused = stack.post(
        "/v1/messages",
        {"channelId": stack.credentials["channel_id"], "to": other, "body": "Hello"},
    )
    assert b"OPTED_OUT" in refused.body

    # Erased, and compared again: it stays erased, and nothing comes twice.
    stack.call("DELETE", f"/v1/messages/{inbound[0]['id']}").expect(200)
    marker = new_customer()
    Webhooks(stack).text(marker, "after")
    wait_until(lambda: thread(stack, marker))
    before = stack.query("SELECT now()")
    caught_up()
    done = f"SELECT count(*) FROM gateway.account_catch_ups WHERE finished_at > '{before}'"
    wait_until(lambda: stack.query(done) == "1", 30, "it was not compared again")
    again = [m for m in thread(stack, customer) if m["direction"] == "DIRECTION_INBOUND"]
    assert [m["body"] for m in again] == ["", "second"]
