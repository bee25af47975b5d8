"""Every malformed request gets a 4xx with a reason and changes nothing."""

import json

import pytest
from confluent_kafka import Consumer, Producer

from harness import wait_until
from harness.inbox import thread, wait_for_answer
from harness.twilio_webhooks import Webhooks, new_customer, new_sid

TOPICS = [
    "parley.inbound",
    "parley.consent",
    "parley.delivery-status",
    "parley.conversation-events",
    "parley.replies",
    "parley.send-commands",
    "parley.send-results",
    "parley.directory",
]


def stored(stack) -> str:
    return stack.query("SELECT count(*) FROM gateway.messages")


def test_wrong_webhooks_are_refused_and_leave_nothing(stack):
    webhooks = Webhooks(stack)
    customer = new_customer()
    right = webhooks.inbound(customer, "never stored")
    foreign = webhooks.inbound(customer, "never stored", AccountSid="AC" + "9" * 32)
    json_type = {"Content-Type": "application/json"}
    before = stored(stack)
    cases = [
        ("wrong signature", {"signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, 403),
        ("signature is no base64", {"signature": "?"}, 403),
        ("no signature", {"signature": ""}, 403),
        (
            "signed for another body",
            {"signature": webhooks.sign("/webhooks/twilio/message", foreign)},
            403,
        ),
        ("oversized", {"body": b"Body=" + b"a" * 70_000}, 413),
        ("invalid UTF-8", {"body": b"Body=%ff&From=%2B15550000001"}, 400),
        ("raw invalid UTF-8", {"body": b"Body=\xff"}, 400),
        ("NUL", {"body": b"Body=a%00b"}, 400),
        ("broken escape", {"body": b"Body=%zz"}, 400),
        ("empty", {"body": b""}, 400),
        ("JSON", {"body": b"{}", "headers": json_type}, 400),
    ]
    for label, wrong, status in cases:
        answer = webhooks.post(right, **wrong)
        # A refusal of the form and of the signature are both clear; neither is a 2xx or a 5xx.
        assert answer.status // 100 == 4, f"{label}: {answer}"
        if status in (403, 413):
            assert answer.status == status, f"{label}: {answer}"
        assert answer.body, f"{label}: no reason"
    assert webhooks.post(foreign).status == 403, "an account that nobody connected"
    assert stack.call("PUT", "/webhooks/twilio/message", b"x", token=None).status // 100 == 4
    assert stack.post("/webhooks/twilio/nothing", token=None).status == 404
    assert stored(stack) == before
    assert thread(stack, customer) == []
    # And the right one is taken after all of them.
    webhooks.post(right).expect(200)
    wait_until(lambda: thread(stack, customer))


def test_xml_in_a_text_is_only_text(stack):
    customer = new_customer()
    text = '<Response><Message>&"]]>\u0007</Message></Response> 😀'
    answer = Webhooks(stack).post(Webhooks(stack).inbound(customer, text)).expect(200)
    assert b"Message" not in answer.body
    wait_until(lambda: [m["body"] for m in thread(stack, customer)][:1] == [text])


def test_the_same_webhook_again_is_one_message(stack):
    webhooks = Webhooks(stack)
    customer = new_customer()
    parameters = webhooks.inbound(customer, "Once")
    for _ in range(4):
        webhooks.post(parameters).expect(200)
    messages = wait_for_answer(stack, customer)
    assert [m["body"] for m in messages if m["author"] == "AUTHOR_CUSTOMER"] == ["Once"]


def test_the_api_refuses_what_does_not_fit(stack):
    channel = stack.credentials["channel_id"]
    nowhere = "00000000-0000-7000-8000-000000000000"
    before = stored(stack)
    cases = [
        ("POST", "/v1/messages", b"{", 400),
        ("POST", "/v1/messages", b"[]", 400),
        ("POST", "/v1/messages", b'{"body": 7}', 400),
        ("POST", "/v1/messages", b'{"nope": "x"}', 400),
        ("POST", "/v1/messages", b'{"body": "\xff"}', 400),
        ("POST", "/v1/messages", b'{"body": "a\\u0000b"}', 400),
        ("POST", "/v1/messages", b"{}", 400),
        ("POST", "/v1/messages", {"channelId": channel, "to": "12", "body": "x"}, 400),
        ("POST", "/v1/messages", {"channelId": channel, "to": "+15550000001"}, 400),
        (
            "POST",
            "/v1/messages",
            {"channelId": channel, "to": "+15550000001", "body": "x" * 1601},
            400,
        ),
        ("POST", "/v1/messages", {"channelId": nowhere, "to": "+15550000001", "body": "x"}, 404),
        ("POST", "/v1/messages", {"conversationId": nowhere, "body": "x"}, 404),
        ("POST", "/v1/messages", {"conversationId": "no-uuid", "body": "x"}, 404),
        ("POST", "/v1/messages", b"x" * 1_100_000, 413),
        ("GET", f"/v1/messages/{nowhere}", None, 404),
        ("GET", "/v1/conversations?pageSize=many", None, 400),
        ("GET", "/v1/conversations?pageToken=made-up", None, 400),
        ("GET", "/v1/nothing", None, 404),
        ("DELETE", "/v1/messages", None, 405),
    ]
    for method, path, body, status in cases:
        answer = stack.call(method, path, body)
        label = f"{method} {path} {str(body)[:60]}"
        assert answer.status == status, f"{label}: {answer}"
        error = answer.json()["error"]
        assert error["message"] and error["details"][0]["reason"].isupper(), label
    stack.get("/v1/conversations", token="wrong").expect(401)
    stack.get("/v1/conversations", token=None).expect(401)
    assert stored(stack) == before


def test_truncated_requests_do_not_hang_or_store(stack):
    import socket
    from urllib.parse import urlsplit

    for base in ("webhooks", "http"):
        target = urlsplit(stack.credentials[base])
        with socket.create_connection((target.hostname, target.port), timeout=15) as connection:
            connection.sendall(
                b"POST /webhooks/twilio/message HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: 500\r\n\r\nBody="
            )
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        assert answer == b"" or b" 4" in answer.split(b"\r\n")[0], answer
    assert stack.get("/api/health", token=None).status == 200


def brokers(stack) -> str:
    return f"127.0.0.1:{stack.layout.ports.kafka}"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_record_that_cannot_be_parsed_goes_to_the_dead_letters(stack, topic):
    poison = b"\xff\xff poison " + new_sid().encode()
    producer = Producer({"bootstrap.servers": brokers(stack)})
    producer.produce(topic, key=b"poison", value=poison)
    assert producer.flush(10) == 0
    consumer = Consumer(
        {
            "bootstrap.servers": brokers(stack),
            "group.id": "test-" + new_sid(),
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic + ".dead-letter"])
    try:

        def found():
            record = consumer.poll(0.5)
            return record if record and not record.error() and record.value() == poison else None

        dead = wait_until(found, 20, f"{topic} has no dead letter")
    finally:
        consumer.close()
    headers = {name: value.decode() for name, value in dead.headers()}
    assert headers["parley-origin"].startswith(topic + "/")
    assert headers["parley-reason"]
    # The next record flows: the whole path still works.
    customer = new_customer()
    Webhooks(stack).text(customer, f"After {topic}")
    wait_for_answer(stack, customer)


def test_logs_hold_steps_and_ids_but_no_text(stack):
    customer = new_customer()
    secret = "do-not-log-" + new_sid()
    sid = Webhooks(stack).text(customer, secret)
    answer = wait_for_answer(stack, customer)[-1]
    last_step = {
        "webhook-ingest": sid,
        "gateway": answer["messageSid"],
        "ai-responder": answer["conversationId"],
        "sender": answer["messageSid"],
    }
    for service, trace in last_step.items():
        path = stack.layout.log / f"{service}.log"
        # Lines are written within a second.
        log = wait_until(
            lambda: trace in (text := path.read_text()) and text, 5, f"{service} logs no {trace}"
        )
        assert secret not in log, f"{service} logs message text"
        assert customer not in log, f"{service} logs whole numbers"
        assert stack.credentials["auth_token"] not in log
        for line in log.rstrip("\n").splitlines()[:-1]:
            assert json.loads(line)["event"], f"{service}: {line}"
