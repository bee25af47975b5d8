"""The routes that existing clients use (COMPATIBILITY §1)."""

from harness import wait_until
from harness.twilio_webhooks import new_customer


def test_a_simulated_incoming_message_is_answered(stack):
    customer = new_customer()
    created = (
        stack.post(
            "/api/messages",
            {
                "channel_id": stack.credentials["channel_id"],
                "content": "Hello",
                "sender": "user",
                "communication_type": "sms",
                "user_phone_number": customer,
            },
        )
        .expect(201)
        .json()
    )
    assert created["success"] is True
    message = created["data"]
    assert (message["sender"], message["status"], message["type"]) == ("user", "sent", "text")
    assert message["metadata"]["direction"] == "incoming"
    assert message["metadata"]["simulated"] is True
    assert message["createdAt"] == message["created_at"]

    def delivered():
        listed = (
            stack.get(f"/api/messages?session_id={message['session_id']}&limit=10")
            .expect(200)
            .json()["data"]
        )
        return listed if [m["status"] for m in listed] == ["sent", "delivered"] else None

    first, second = wait_until(delivered, 15, step_s=0.1)
    assert first["_id"] == message["_id"]
    assert (second["sender"], second["metadata"]["direction"]) == ("contact", "outgoing")
    assert second["metadata"]["ai"] is True
    assert second["metadata"]["sentViaTwilio"] is second["metadata"]["sentViaTwitter"] is True
    assert second["metadata"]["twilioMessageSid"].startswith("SM")
    assert second["metadata"]["toNumber"] == customer


def test_a_contact_message_is_really_sent(stack):
    customer = new_customer()
    sent = (
        stack.post(
            "/api/messages",
            {
                "twilio_number": stack.credentials["phone_number"],
                "content": "From the shop",
                "sender": "contact",
                "user_phone_number": customer,
            },
        )
        .expect(201)
        .json()["data"]
    )
    assert sent["metadata"]["direction"] == "outgoing"
    wait_until(
        lambda: [e["body"] for e in stack.simulator.ledger() if e["to"] == customer]
        == ["From the shop"]
    )


def test_channels_and_sessions_are_listed(stack):
    channels = stack.get("/api/channels").expect(200).json()["data"]
    ours = next(c for c in channels if c["id"] == stack.credentials["channel_id"])
    assert ours["_id"] == ours["id"]
    assert ours["phone_number"] == stack.credentials["phone_number"]
    sessions = stack.get(f"/api/sessions?channel_id={ours['id']}").expect(200).json()["data"]
    assert sessions and all(s["channel_id"] == ours["id"] for s in sessions)
    assert {"_id", "communication_type", "title", "status", "message_count"} <= set(sessions[0])


def test_errors_have_the_old_form(stack):
    cases = [
        ("no channel", {"content": "x"}, 400),
        ("no content", {"channel_id": stack.credentials["channel_id"]}, 400),
        (
            "wrong sender",
            {"channel_id": stack.credentials["channel_id"], "content": "x", "sender": "nobody"},
            400,
        ),
        (
            "no number",
            {
                "channel_id": stack.credentials["channel_id"],
                "content": "x",
                "user_phone_number": "12",
            },
            400,
        ),
        (
            "foreign channel",
            {"channel_id": "00000000-0000-7000-8000-000000000000", "content": "x"},
            404,
        ),
    ]
    for label, body, status in cases:
        error = stack.post("/api/messages", body).expect(status).json()
        assert error["success"] is False, label
        assert error["error"]["code"].isupper() and error["error"]["message"], label
    assert stack.get("/api/channels", token=None).expect(401).json()["success"] is False
    # The old front-ends' fetch sends JSON without saying so.
    stack.call("POST", "/api/messages", b'{"content": 1}').expect(400)


def test_health_needs_no_credential(stack):
    health = stack.get("/api/health", token=None).expect(200).json()
    assert health["status"] == "ok" and health["checks"]
    assert stack.get("/api/webhooks/health", token=None).expect(200).json()["status"] == "ok"
