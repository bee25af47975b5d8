"""The main job: a text comes in, the AI answers, the answer is delivered, a person watches."""

from harness import wait_until
from harness.inbox import conversation_of, messages_of, thread, wait_for_answer
from harness.live import LiveStream
from harness.twilio_webhooks import Webhooks, new_customer


def ledger_to(stack, customer: str) -> list[dict]:
    return [entry for entry in stack.simulator.ledger() if entry["to"] == customer]


def test_a_text_is_stored_answered_and_delivered(stack):
    customer = new_customer()
    stack.simulator.inbound(
        from_=customer, to=stack.credentials["phone_number"], body="Hello, are you open?"
    )
    wait_until(lambda: thread(stack, customer), 2, "the text is not shown at once")
    messages = wait_for_answer(stack, customer)

    received, answer = messages
    assert received["body"] == "Hello, are you open?"
    assert (received["direction"], received["status"], received["seq"]) == (
        "DIRECTION_INBOUND",
        "STATUS_RECEIVED",
        "1",
    )
    assert (answer["author"], answer["direction"], answer["seq"]) == (
        "AUTHOR_AI",
        "DIRECTION_OUTBOUND",
        "2",
    )
    (sent,) = ledger_to(stack, customer)
    assert sent["body"] == answer["body"]
    assert sent["sid"] == answer["messageSid"]
    conversation = conversation_of(stack, customer)
    assert conversation["messageCount"] == "2"
    assert conversation["unreadCount"] == "1"
    assert conversation["lastMessage"]["body"] == answer["body"]


def test_a_person_watches_live_and_can_resume(stack):
    customer = new_customer()
    url, key = stack.credentials["public"], stack.credentials["api_key"]
    with LiveStream(url, key) as live:
        assert live.status == 200
        Webhooks(stack).text(customer, "Watch me")
        number, _, _ = live.wait_for(
            lambda _, name, data: name == "message" and data["message"]["body"] == "Watch me"
        )
        live.wait_for(
            lambda _, name, data: name == "message"
            and data["message"]["to"] == customer
            and data["message"]["status"] == "STATUS_DELIVERED"
        )
        numbers = [int(event[0]) for event in live.events]
        first = numbers[0]
    assert numbers == list(range(first, first + len(numbers))), "numbers have gaps"
    # What happened since is told again to whoever comes back.
    with LiveStream(url, key, last_event_id=str(int(number) - 1)) as again:
        again.wait_for(
            lambda _, name, data: name == "message" and data["message"]["body"] == "Watch me"
        )
        again.wait_for(lambda n, _, __: int(n) == numbers[-1])


def test_texts_within_the_delay_get_one_answer(stack):
    customer = new_customer()
    channel = f"/v1/channels/{stack.credentials['channel_id']}"
    delay = stack.get(channel).expect(200).json()["ai"]["responseDelayMs"]
    stack.call("PATCH", channel, {"ai": {"responseDelayMs": 1500}}).expect(200)
    try:
        webhooks = Webhooks(stack)
        for text in ("Hi", "I have", "one question"):
            webhooks.text(customer, text)
        messages = wait_for_answer(stack, customer)
    finally:
        stack.call("PATCH", channel, {"ai": {"responseDelayMs": delay}}).expect(200)
    assert [m["author"] for m in messages] == ["AUTHOR_CUSTOMER"] * 3 + ["AUTHOR_AI"]
    # A fourth text is a turn of its own.
    webhooks.text(customer, "Thanks")
    messages = wait_for_answer(stack, customer, count=2)
    assert [m["author"] for m in messages][3:] == ["AUTHOR_AI", "AUTHOR_CUSTOMER", "AUTHOR_AI"]


def quiet(stack, customer: str, watched: str) -> list[dict]:
    """Lets another customer be answered in the meantime: had `customer` been due an answer, it
    would have come first."""
    webhooks = Webhooks(stack)
    for _ in range(2):
        other = new_customer()
        webhooks.text(other, f"Meanwhile {watched}")
        wait_for_answer(stack, other)
    return thread(stack, customer)


def test_the_ai_is_silent_where_it_must_be(stack):
    webhooks = Webhooks(stack)
    customers = {name: new_customer() for name in ("taken over", "switched off", "opted out")}
    for customer in customers.values():
        webhooks.text(customer, "First")
        wait_for_answer(stack, customer)
    ids = {name: conversation_of(stack, number)["id"] for name, number in customers.items()}
    stack.post(f"/v1/conversations/{ids['taken over']}:takeOver").expect(200)
    stack.call("PATCH", f"/v1/conversations/{ids['switched off']}", {"aiEnabled": False}).expect(
        200
    )
    webhooks.text(customers["opted out"], " stop ")
    for customer in customers.values():
        webhooks.text(customer, "Second")

    for name, customer in customers.items():
        messages = quiet(stack, customer, name)
        answers = [m for m in messages if m["author"] == "AUTHOR_AI"]
        assert len(answers) == 1, f"{name}: {[m['body'] for m in messages]}"
        assert len(ledger_to(stack, customer)) == 1, name
    assert conversation_of(stack, customers["opted out"])["optedOut"] is True

    # Handed back, it answers the next text.
    stack.post(f"/v1/conversations/{ids['taken over']}:handBack").expect(200)
    webhooks.text(customers["taken over"], "Third")
    wait_for_answer(stack, customers["taken over"], count=2)
    # START lifts the opt-out.
    webhooks.text(customers["opted out"], "START")
    wait_until(lambda: not conversation_of(stack, customers["opted out"])["optedOut"])
    webhooks.text(customers["opted out"], "Fourth")
    wait_for_answer(stack, customers["opted out"], count=2)


def test_a_person_answers_and_the_ai_does_not_talk_over(stack):
    customer = new_customer()
    channel = f"/v1/channels/{stack.credentials['channel_id']}"
    delay = stack.get(channel).expect(200).json()["ai"]["responseDelayMs"]
    stack.call("PATCH", channel, {"ai": {"responseDelayMs": 3000}}).expect(200)
    try:
        Webhooks(stack).text(customer, "Is someone there?")
        conversation = wait_until(lambda: conversation_of(stack, customer))
        assert conversation["aiState"] == "AI_STATE_PENDING"
        answer = (
            stack.post("/v1/messages", {"conversationId": conversation["id"], "body": "Yes, I am!"})
            .expect(200)
            .json()
        )
    finally:
        stack.call("PATCH", channel, {"ai": {"responseDelayMs": delay}}).expect(200)
    wait_until(
        lambda: stack.get(f"/v1/messages/{answer['id']}").json()["status"] == "STATUS_DELIVERED",
        10,
    )
    wait_until(lambda: conversation_of(stack, customer)["aiState"] == "AI_STATE_READY", 6)
    assert [m["author"] for m in quiet(stack, customer, "a person")] == [
        "AUTHOR_CUSTOMER",
        "AUTHOR_AGENT",
    ]


def test_playing_the_customer_is_answered_for_real(stack):
    customer = new_customer()
    channel = stack.credentials["channel_id"]
    simulated = (
        stack.post(
            "/v1/messages:simulateInbound", {"channelId": channel, "from": customer, "body": "Hi"}
        )
        .expect(200)
        .json()
    )
    assert (simulated["simulated"], simulated["status"]) == (True, "STATUS_SENT")
    messages = wait_for_answer(stack, customer)
    assert [m["author"] for m in messages] == ["AUTHOR_CUSTOMER", "AUTHOR_AI"]
    assert len(ledger_to(stack, customer)) == 1

    # Without a number everything is shown and nothing is sent.
    before = len(stack.simulator.ledger())
    shown = (
        stack.post("/v1/messages:simulateInbound", {"channelId": channel, "body": "Only for show"})
        .expect(200)
        .json()
    )
    wait_until(
        lambda: [m["author"] for m in messages_of(stack, shown["conversationId"])][-1]
        == "AUTHOR_AI"
    )
    quiet(stack, customer, "nothing sent")
    sent = stack.simulator.ledger()[before:]
    assert all(entry["to"] for entry in sent) and len(sent) == 2, "only the two bystanders"


def test_what_twilio_refuses_is_shown_with_its_reason(stack):
    channel = stack.credentials["channel_id"]
    refused = (
        stack.post("/v1/messages", {"channelId": channel, "to": "+12345", "body": "To nobody"})
        .expect(200)
        .json()
    )
    shown = wait_until(
        lambda: (m := stack.get(f"/v1/messages/{refused['id']}").json())["status"]
        == "STATUS_FAILED"
        and m
    )
    assert shown["errorCode"] == 21211
    assert shown["errorMessage"]


def test_whatsapp_is_answered_on_whatsapp(stack):
    customer = new_customer()
    stack.simulator.inbound(
        from_=customer, to=stack.credentials["phone_number"], body="Hola", channel="whatsapp"
    )
    wait_until(
        lambda: [
            m["status"]
            for m in thread(stack, customer, "MEDIUM_WHATSAPP")
            if m["author"] == "AUTHOR_AI"
        ]
        in (["STATUS_DELIVERED"], ["STATUS_READ"]),
        15,
    )
    (sent,) = ledger_to(stack, f"whatsapp:{customer}")
    assert sent["from"] == "whatsapp:" + stack.credentials["phone_number"]
