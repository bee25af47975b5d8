"""Twilio's Python SDK, unmodified, against the simulator."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest.content.v1.content import ContentList
from twilio.rest.content.v1.content.approval_create import ApprovalCreateList

CUSTOMER = "+15005550123"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f64540"
    "0000000049454e44ae426082"
)


def wait_until(condition, seconds=10):
    """Polls until `condition` returns something true; returns that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    pytest.fail("timed out")


def final(account, sid):
    def look():
        message = account.client.messages(sid).fetch()
        return message if message.status in ("delivered", "undelivered", "failed") else None

    return wait_until(look)


def test_account(account):
    fetched = account.client.api.accounts(account.sid).fetch()
    assert fetched.sid == account.sid
    assert fetched.status == "active"
    assert fetched.type == "Full"
    balance = account.client.api.accounts(account.sid).balance.fetch()
    assert balance.currency == "USD"
    assert float(balance.balance) > 0


def test_wrong_credentials(simulator, account):
    with pytest.raises(TwilioRestException) as error:
        simulator.client(account.sid, "wrong").api.accounts(account.sid).fetch()
    assert (error.value.status, error.value.code) == (401, 20003)


def test_message_create_and_fetch(account):
    created = account.client.messages.create(
        to=CUSTOMER, from_=account.numbers[0], body="Grüße + 100 % & mehr"
    )
    assert created.sid.startswith("SM")
    assert created.status == "queued"
    assert created.direction == "outbound-api"
    assert created.num_segments == "1"
    assert created.price is None and created.date_sent is None
    assert created.date_created.tzinfo is not None
    delivered = final(account, created.sid)
    assert delivered.status == "delivered"
    assert delivered.body == "Grüße + 100 % & mehr"
    assert delivered.date_sent is not None
    assert delivered.error_code is None
    priced = wait_until(
        lambda: (m := account.client.messages(created.sid).fetch()).price is not None and m
    )
    assert float(priced.price) < 0 and priced.price_unit == "USD"


def test_message_refused(account):
    with pytest.raises(TwilioRestException) as error:
        account.client.messages.create(to="nonsense", from_=account.numbers[0], body="Hi")
    assert (error.value.status, error.value.code) == (400, 21211)
    with pytest.raises(TwilioRestException) as error:
        account.client.messages("SM" + "0" * 32).fetch()
    assert (error.value.status, error.value.code) == (404, 20404)


def test_message_list_pages(account):
    sids = [
        account.client.messages.create(
            to=CUSTOMER, from_=account.numbers[0], body=f"number {i}"
        ).sid
        for i in range(7)
    ]
    listed = account.client.messages.list(page_size=3)
    assert [message.sid for message in listed] == sids[::-1]
    assert len(account.client.messages.list(limit=4)) == 4

    page = account.client.messages.page(page_size=3)
    assert [message.body for message in page] == ["number 6", "number 5", "number 4"]
    page = page.next_page()
    assert [message.body for message in page] == ["number 3", "number 2", "number 1"]
    last = page.next_page()
    assert [message.body for message in last] == ["number 0"]
    assert last.next_page() is None
    back = last.previous_page()
    assert [message.body for message in back] == ["number 3", "number 2", "number 1"]


def test_message_list_filters(account):
    other = "+15005550124"
    for to, sender in (
        (CUSTOMER, account.numbers[0]),
        (other, account.numbers[0]),
        (CUSTOMER, account.numbers[1]),
    ):
        account.client.messages.create(to=to, from_=sender, body="Hi")
    messages = account.client.messages
    assert len(messages.list(to=CUSTOMER)) == 2
    assert len(messages.list(from_=account.numbers[0])) == 2
    assert len(messages.list(to=CUSTOMER, from_=account.numbers[1])) == 1
    assert messages.list(to="+15005550199") == []
    now = datetime.now(UTC)
    assert len(messages.list(date_sent=now.date())) == 3
    assert len(messages.list(date_sent_after=now - timedelta(minutes=5))) == 3
    assert messages.list(date_sent_after=now + timedelta(minutes=5)) == []
    assert len(messages.list(date_sent_before=now + timedelta(minutes=5))) == 3
    assert messages.list(date_sent_before=now - timedelta(minutes=5)) == []


def test_message_redact_and_delete(account):
    sid = account.client.messages.create(to=CUSTOMER, from_=account.numbers[0], body="secret").sid
    with pytest.raises(TwilioRestException) as error:
        account.client.messages(sid).delete()
    assert (error.value.status, error.value.code) == (409, 20009)
    final(account, sid)
    assert account.client.messages(sid).update(body="").body == ""
    assert account.client.messages(sid).fetch().body == ""
    assert account.client.messages(sid).delete() is True
    with pytest.raises(TwilioRestException) as error:
        account.client.messages(sid).fetch()
    assert error.value.status == 404
    assert account.client.messages.list() == []


def test_message_schedule_and_cancel(account):
    number = account.client.incoming_phone_numbers.list()[0]
    service = account.client.messaging.v1.services.create(friendly_name="Parley")
    service.phone_numbers.create(phone_number_sid=number.sid)
    scheduled = account.client.messages.create(
        to=CUSTOMER,
        messaging_service_sid=service.sid,
        body="later",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )
    assert scheduled.status == "scheduled"
    assert scheduled.from_ is None and scheduled.num_segments == "0"
    canceled = account.client.messages(scheduled.sid).update(status="canceled")
    assert canceled.status == "canceled"
    with pytest.raises(TwilioRestException) as error:
        account.client.messages(scheduled.sid).update(status="canceled")
    assert error.value.code == 30409
    with pytest.raises(TwilioRestException) as error:
        account.client.messages.create(
            to=CUSTOMER,
            messaging_service_sid=service.sid,
            body="too soon",
            schedule_type="fixed",
            send_at=datetime.now(UTC) + timedelta(minutes=1),
        )
    assert error.value.code == 35117


def test_message_feedback(account):
    sid = account.client.messages.create(to=CUSTOMER, from_=account.numbers[0], body="Hi").sid
    feedback = account.client.messages(sid).feedback.create(outcome="confirmed")
    assert (feedback.message_sid, feedback.outcome) == (sid, "confirmed")


def test_messaging_service(account):
    services = account.client.messaging.v1.services
    service = services.create(friendly_name="One", status_callback="https://example.com/status")
    assert services(service.sid).fetch().friendly_name == "One"
    assert services(service.sid).update(friendly_name="Two").friendly_name == "Two"
    for i in range(3):
        services.create(friendly_name=f"More {i}")
    assert len(services.list(page_size=2)) == 4
    for number in account.client.incoming_phone_numbers.list():
        service.phone_numbers.create(phone_number_sid=number.sid)
    assert {n.phone_number for n in service.phone_numbers.list()} == set(account.numbers)
    sent = account.client.messages.create(to=CUSTOMER, messaging_service_sid=service.sid, body="Hi")
    assert sent.status == "accepted" and sent.from_ is None
    delivered = final(account, sent.sid)
    assert delivered.from_ in account.numbers
    assert services(service.sid).delete() is True


def test_media(account, receiver):
    receiver.answers["/cat.png"] = [(200, "image/png", PNG)]
    created = account.client.messages.create(
        to=CUSTOMER, from_=account.numbers[0], body="Look", media_url=[f"{receiver.url}/cat.png"]
    )
    assert created.sid.startswith("MM") and created.num_media == "1"
    assert final(account, created.sid).status == "delivered"
    media = account.client.messages(created.sid).media.list()
    assert [(m.content_type, m.parent_sid) for m in media] == [("image/png", created.sid)]
    fetched = account.client.messages(created.sid).media(media[0].sid).fetch()
    assert fetched.sid == media[0].sid
    # The bytes: the same address without ".json", behind a redirect.
    content = requests.get(
        account.client.api.base_url + fetched.uri.removesuffix(".json"),
        auth=(account.sid, account.token),
        timeout=10,
    )
    assert content.content == PNG
    assert content.headers["Content-Type"] == "image/png"
    assert account.client.messages(created.sid).media(media[0].sid).delete() is True
    assert account.client.messages(created.sid).media.list() == []


def test_media_that_cannot_be_fetched_fails_the_message(account, receiver):
    receiver.answers["/gone.png"] = [(404, "text/plain", b"gone")]
    created = account.client.messages.create(
        to=CUSTOMER, from_=account.numbers[0], media_url=[f"{receiver.url}/gone.png"]
    )
    failed = final(account, created.sid)
    assert (failed.status, failed.error_code) == ("failed", 11200)


def test_available_numbers(account):
    countries = account.client.available_phone_numbers.list()
    assert "US" in [country.country_code for country in countries]
    local = account.client.available_phone_numbers("US").local.list(limit=5)
    assert len(local) == 5
    assert all(n.phone_number.startswith("+1500555") for n in local)
    assert local[0].capabilities["SMS"] is True
    by_area = account.client.available_phone_numbers("US").local.list(area_code=533)
    assert by_area == []
    matching = account.client.available_phone_numbers("US").local.list(contains="5552012")
    assert [n.phone_number for n in matching] == ["+15005552012"]
    toll_free = account.client.available_phone_numbers("US").toll_free.list(limit=1)
    assert toll_free[0].locality is None
    assert account.client.available_phone_numbers("GB").mobile.list(limit=1)


def test_incoming_numbers(account):
    numbers = account.client.incoming_phone_numbers
    assert {n.phone_number for n in numbers.list()} == set(account.numbers)
    offered = account.client.available_phone_numbers("US").local.list(limit=1)[0].phone_number
    bought = numbers.create(phone_number=offered, sms_url="https://example.com/in#rc=5&rp=all")
    assert bought.phone_number == offered
    assert bought.sms_url == "https://example.com/in#rc=5&rp=all"
    assert bought.capabilities["sms"] is True
    with pytest.raises(TwilioRestException) as error:
        numbers.create(phone_number=offered)
    assert error.value.code == 21422
    assert numbers(bought.sid).update(friendly_name="Front desk").friendly_name == "Front desk"
    assert numbers(bought.sid).fetch().friendly_name == "Front desk"
    assert [n.sid for n in numbers.list(phone_number=offered)] == [bought.sid]
    assert len(numbers.local.list()) == 3
    assert numbers.toll_free.list() == []
    assert numbers(bought.sid).delete() is True
    assert len(numbers.list()) == 2
    area = numbers.create(area_code="206")
    assert area.phone_number.startswith("+1555206")


def test_calls(account, receiver):
    receiver.answers["/twiml"] = [
        (200, "text/xml", b"<Response><Say>Hello</Say><Hangup/></Response>")
    ]
    call = account.client.calls.create(
        to=CUSTOMER,
        from_=account.numbers[0],
        url=f"{receiver.url}/twiml",
        status_callback=f"{receiver.url}/status",
        status_callback_event=["initiated", "ringing", "answered", "completed"],
    )
    assert call.status == "queued" and call.direction == "outbound-api"
    seen = [receiver.next() for _ in range(5)]
    assert {w.params["CallStatus"] for w in seen} == {
        "initiated",
        "ringing",
        "in-progress",
        "completed",
    }
    validator = RequestValidator(account.token)
    for webhook in seen:
        assert validator.validate(
            receiver.url + webhook.path, webhook.params, webhook.headers["X-Twilio-Signature"]
        )
    done = wait_until(
        lambda: (c := account.client.calls(call.sid).fetch()).status == "completed" and c
    )
    assert done.duration is not None
    assert [c.sid for c in account.client.calls.list(to=CUSTOMER)] == [call.sid]
    assert account.client.calls.list(status="busy") == []
    with pytest.raises(TwilioRestException) as error:
        account.client.calls.create(to=CUSTOMER, from_="+15005550999", url="https://example.com")
    assert error.value.code == 21210


def test_content_templates(account):
    contents = account.client.content.v1.contents
    made = contents.create(
        ContentList.ContentCreateRequest(
            {
                "friendly_name": "order",
                "language": "en",
                "variables": {"1": "nobody"},
                "types": {"twilio/text": {"body": "Hello {{1}}"}},
            }
        )
    )
    assert made.sid.startswith("HX")
    assert contents(made.sid).fetch().types["twilio/text"]["body"] == "Hello {{1}}"
    assert [c.sid for c in contents.list()] == [made.sid]
    sent = account.client.messages.create(
        to=CUSTOMER,
        from_=account.numbers[0],
        content_sid=made.sid,
        content_variables='{"1": "Ada"}',
    )
    assert sent.body == "Hello Ada" and sent.sid.startswith("MM")
    assert contents(made.sid).approval_fetch().fetch().whatsapp["status"] == "unsubmitted"
    asked = contents(made.sid).approval_create.create(
        ApprovalCreateList.ContentApprovalRequest({"name": "order", "category": "UTILITY"})
    )
    assert asked.status == "received"
    assert contents(made.sid).approval_fetch().fetch().whatsapp["status"] == "approved"
    assert contents(made.sid).delete() is True
    assert contents.list() == []


MAGIC_MESSAGES = [
    ("+15005550001", "+15005550006", "Hi", 21211),
    ("+15005550002", "+15005550006", "Hi", 21612),
    ("+15005550003", "+15005550006", "Hi", 21408),
    ("+15005550004", "+15005550006", "Hi", 21610),
    ("+15005550009", "+15005550006", "Hi", 21614),
    (CUSTOMER, "+15005550001", "Hi", 21212),
    (CUSTOMER, "+15005550007", "Hi", 21606),
    (CUSTOMER, "+15005550008", "Hi", 21611),
    (CUSTOMER, "+15005550099", "Hi", 21606),
    (CUSTOMER, "+15005550006", "", 21602),
    (CUSTOMER, "+15005550006", "Hi", None),
]
MAGIC_NUMBERS = [
    ({"phone_number": "+15005550000"}, 21422),
    ({"phone_number": "+15005550001"}, 21421),
    ({"phone_number": "+15005550005"}, 21421),
    ({"phone_number": "+15005550006"}, None),
    ({"area_code": "533"}, 21452),
    ({"area_code": "501"}, 21452),
    ({"area_code": "500"}, None),
]
MAGIC_CALLS = [
    ("+15005550001", "+15005550006", 21217),
    ("+15005550002", "+15005550006", 21214),
    ("+15005550003", "+15005550006", 21215),
    ("+15005550004", "+15005550006", 21216),
    (CUSTOMER, "+15005550001", 21212),
    (CUSTOMER, "+15005550099", 21210),
    (CUSTOMER, "+15005550006", None),
]


@pytest.fixture
def magic_client(simulator):
    made = simulator.control("POST", "accounts", {"type": "Test"})
    return simulator.client(made["sid"], made["auth_token"])


def code_of(action):
    """Twilio's error code, or None if it worked."""
    try:
        action()
    except TwilioRestException as error:
        return error.code
    except TwilioException as error:
        # Of a list, the SDK hands on the answer as it came.
        return json.loads(error.args[1].text)["code"]
    return None


@pytest.mark.parametrize("to, sender, body, code", MAGIC_MESSAGES)
def test_magic_messages(magic_client, to, sender, body, code):
    def send():
        return magic_client.messages.create(to=to, from_=sender, body=body)

    assert code_of(send) == code


@pytest.mark.parametrize("fields, code", MAGIC_NUMBERS)
def test_magic_numbers(magic_client, fields, code):
    assert code_of(lambda: magic_client.incoming_phone_numbers.create(**fields)) == code


@pytest.mark.parametrize("to, sender, code", MAGIC_CALLS)
def test_magic_calls(magic_client, to, sender, code):
    def call():
        return magic_client.calls.create(to=to, from_=sender, url="https://example.com/")

    assert code_of(call) == code


def test_test_credentials_may_do_nothing_else(magic_client):
    assert code_of(magic_client.messages.list) == 20008
    assert code_of(lambda: magic_client.api.accounts(magic_client.username).fetch()) == 20008
    assert code_of(magic_client.incoming_phone_numbers.list) == 20008


def test_status_callbacks_are_signed(account, receiver):
    created = account.client.messages.create(
        to=CUSTOMER,
        from_=account.numbers[0],
        body="Hi",
        status_callback=f"{receiver.url}/status?message=1&attempt=2#rc=5&rp=all",
    )
    validator = RequestValidator(account.token)
    seen = [receiver.next(), receiver.next()]
    assert [w.params["MessageStatus"] for w in seen] == ["sent", "delivered"]
    for webhook in seen:
        # The overrides are honoured, and neither sent nor signed.
        assert webhook.path == "/status?message=1&attempt=2"
        assert webhook.params["MessageSid"] == created.sid
        signature = webhook.headers["X-Twilio-Signature"]
        assert validator.validate(receiver.url + webhook.path, webhook.params, signature)
        assert not validator.validate(receiver.url + "/other", webhook.params, signature)


def test_inbound_webhooks_are_signed_retried_and_fall_back(simulator, account, receiver):
    number = account.client.incoming_phone_numbers.list(phone_number=account.numbers[0])[0]
    number.update(
        sms_url=f"{receiver.url}/sms#rc=2&rp=5xx", sms_fallback_url=f"{receiver.url}/fallback"
    )
    receiver.answers["/sms"] = [(500, "text/plain", b"")] * 3
    answer = simulator.control(
        "POST",
        "inbound",
        {"from": CUSTOMER, "to": account.numbers[0], "body": "Grüße & <b>\u00fc</b>"},
    )
    assert answer["webhook"] == {
        "delivered": True,
        "status": 204,
        "attempts": 3,
        "via_fallback": True,
        "error_code": 11217,
    }
    validator = RequestValidator(account.token)
    seen = [receiver.next() for _ in range(4)]
    for webhook in seen:
        assert webhook.params["Body"] == "Grüße & <b>\u00fc</b>"
        assert webhook.params["MessageSid"] == answer["sid"]
        assert validator.validate(
            receiver.url + webhook.path, webhook.params, webhook.headers["X-Twilio-Signature"]
        )
    assert len({w.headers["I-Twilio-Idempotency-Token"] for w in seen}) == 1
    assert [w.path for w in seen] == ["/sms", "/sms", "/sms", "/fallback"]
    assert seen[3].params["ErrorCode"] == "11217"
    received = account.client.messages(answer["sid"]).fetch()
    assert (received.status, received.direction) == ("received", "inbound")


def test_twiml_answers_become_messages(simulator, account, receiver):
    number = account.client.incoming_phone_numbers.list(phone_number=account.numbers[0])[0]
    number.update(sms_url=f"{receiver.url}/sms")
    receiver.answers["/sms"] = [
        (200, "text/xml", b"<Response><Message>One &amp; only</Message></Response>")
    ]
    simulator.control(
        "POST", "inbound", {"from": CUSTOMER, "to": account.numbers[0], "body": "Hello"}
    )
    replies = wait_until(lambda: account.client.messages.list(to=CUSTOMER))
    assert [(m.body, m.direction) for m in replies] == [("One & only", "outbound-reply")]


def test_stop_blocks_until_start(simulator, account):
    def text(body):
        simulator.control(
            "POST", "inbound", {"from": CUSTOMER, "to": account.numbers[0], "body": body}
        )

    def send():
        account.client.messages.create(to=CUSTOMER, from_=account.numbers[0], body="Hi")

    text(" stop ")
    assert code_of(send) == 21610
    text("START")
    assert code_of(send) is None


def test_whatsapp_needs_an_open_window(simulator, account):
    def send():
        return account.client.messages.create(
            to=f"whatsapp:{CUSTOMER}", from_=f"whatsapp:{account.numbers[0]}", body="Hi"
        )

    closed = final(account, send().sid)
    assert (closed.status, closed.error_code) == ("failed", 63016)
    simulator.control(
        "POST",
        "inbound",
        {"from": CUSTOMER, "to": account.numbers[0], "body": "Hello", "channel": "whatsapp"},
    )
    assert final(account, send().sid).status == "delivered"
    assert account.client.messages.list(to=f"whatsapp:{CUSTOMER}")


def test_lookup_and_usage(account):
    looked_up = account.client.lookups.v2.phone_numbers(CUSTOMER).fetch()
    assert looked_up.valid is True
    account.client.messages.create(to=CUSTOMER, from_=account.numbers[0], body="Hi")
    records = account.client.usage.records.list(category="sms-outbound")
    assert [r.count for r in records] == ["1"]
