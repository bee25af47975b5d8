"""Twilio's webhooks, of every kind, at every route, through the edge."""

import json
import uuid
import xml.etree.ElementTree as ET
from base64 import b64encode
from urllib.parse import urlencode

import pytest

from harness import wait_until
from harness.http import call
from harness.inbox import conversation_of, thread
from harness.twilio_webhooks import Webhooks, new_customer, new_sid

ACCOUNT = "AC" + "7" * 32  # Nobody's.
MESSAGE_ROUTES = (
    "/webhooks/twilio/message",
    "/api/webhooks/sms",
    "/api/webhooks/whatsapp",
    "/api/webhooks/twilio/incoming",
)
STATUS_ROUTES = ("/webhooks/twilio/status", "/api/webhooks/twilio")
VOICE = "/webhooks/twilio/voice"
VOICE_ROUTES = (VOICE, "/api/webhooks/voice")


def verbs(answer) -> list[ET.Element]:
    """The verbs of a TwiML answer."""
    assert answer.headers["content-type"] == "text/xml"
    response = ET.fromstring(answer.body)
    assert response.tag == "Response"
    return list(response)


def a_call(stack, customer: str, **more: str) -> dict[str, str]:
    number = stack.credentials["phone_number"]
    return {
        "CallSid": new_sid("CA"),
        "AccountSid": stack.credentials["account_sid"],
        "From": customer,
        "To": number,
        "Caller": customer,
        "Called": number,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
        **more,
    }


@pytest.fixture(scope="module")
def channel_with(stack):
    """Makes a channel on a number of its own, with settings of the table `channels`."""
    numbers = iter(range(40, 50))

    def make(**settings) -> str:
        number = f"+155500010{next(numbers)}"
        channel = (
            stack.post(
                "/v1/channels",
                {
                    "channel": {
                        "displayName": f"Webhooks {number}",
                        "phoneNumber": number,
                        "media": ["MEDIUM_SMS", "MEDIUM_WHATSAPP", "MEDIUM_VOICE"],
                        "ai": {"enabled": False},
                    }
                },
            )
            .expect(200)
            .json()
        )
        values = ", ".join(f"{name} = '{value}'" for name, value in settings.items())
        if values:
            stack.query(f"UPDATE gateway.channels SET {values} WHERE id = '{channel['id']}'")
        # Any change tells the other services the whole of it.
        changed = {"displayName": f"Webhooks {number} changed"}
        stack.call("PATCH", f"/v1/channels/{channel['id']}", changed).expect(200)
        return number

    return make


def taken(stack, number: str, customer: str, body: str) -> list[ET.Element]:
    """What a text to `number` is answered with."""
    return verbs(Webhooks(stack).post(Webhooks(stack).inbound(customer, body, To=number)))


def handset(stack, customer: str, number: str) -> list[dict]:
    query = urlencode({"number": customer, "business": number})
    url = f"{stack.simulator.url}/simulator/v1/handset?{query}"
    return call("GET", url).expect(200).json()["thread"]


@pytest.mark.parametrize("path", MESSAGE_ROUTES)
def test_every_message_route_takes_texts_pictures_and_whatsapp(stack, path):
    webhooks = Webhooks(stack)
    customer = new_customer()
    number = stack.credentials["phone_number"]
    picture = {"NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x", "MediaContentType0": "a/b"}
    place = {
        "From": f"whatsapp:{customer}",
        "To": f"whatsapp:{number}",
        "ProfileName": "Ana",
        "MessageType": "location",
        "Latitude": "52.5",
        "Longitude": "13.4",
        "Label": "Cafe",
    }
    for parameters in (
        webhooks.inbound(customer, "a text"),
        webhooks.inbound(customer, "a picture", **picture),
        webhooks.inbound(customer, "", **place),
    ):
        assert verbs(webhooks.post(parameters, path).expect(200)) == []
    # Twilio's parameters stand in the query of a GET.
    parameters = webhooks.inbound(customer, "by GET")
    target = f"{path}?{urlencode(parameters)}"
    got = stack.call(
        "GET", target, headers={"X-Twilio-Signature": webhooks.sign(target, {})}, token=None
    )
    assert verbs(got.expect(200)) == []

    wait_until(lambda: len(received(stack, customer)) == 3)
    text, picture_message, by_get = received(stack, customer)
    assert (text["body"], by_get["body"]) == ("a text", "by GET")
    assert picture_message["kind"] == "KIND_MMS"
    (shared,) = wait_until(lambda: thread(stack, customer, "MEDIUM_WHATSAPP"))[:1]
    assert shared["body"] == "Cafe\n52.5, 13.4"
    assert "Ana" in json.dumps(conversation_of(stack, customer, "MEDIUM_WHATSAPP"))


def received(stack, customer: str) -> list[dict]:
    return [m for m in thread(stack, customer) if m["direction"] == "DIRECTION_INBOUND"]


@pytest.mark.parametrize("path", STATUS_ROUTES)
def test_every_status_route_takes_messages_and_calls(stack, path):
    webhooks = Webhooks(stack)
    customer = new_customer()
    status = {
        "MessageSid": new_sid(),
        "MessageStatus": "sent",
        "AccountSid": stack.credentials["account_sid"],
        "From": stack.credentials["phone_number"],
        "To": customer,
    }
    assert webhooks.post(status, path).expect(200).body == b""
    ended = a_call(stack, customer, CallStatus="completed", CallDuration="42")
    assert webhooks.post(ended, path).expect(200).body == b""
    (message,) = wait_until(lambda: thread(stack, customer, "MEDIUM_VOICE"))
    assert message["kind"] == "KIND_CALL"


@pytest.mark.parametrize("path", VOICE_ROUTES)
def test_every_voice_route_answers_a_call(stack, path):
    customer = new_customer()
    ringing = a_call(stack, customer)
    for _ in range(2):  # Twilio's repeat is the same call.
        answer = Webhooks(stack).post(ringing, path).expect(200)
        assert [verb.tag for verb in verbs(answer)][0] == "Say"
    (message,) = wait_until(lambda: thread(stack, customer, "MEDIUM_VOICE"))
    assert (message["kind"], message["status"]) == ("KIND_CALL", "STATUS_RECEIVED")


def test_an_auto_reply_is_given_by_twilio_and_shown(stack, channel_with):
    number = channel_with(auto_reply="We received: {body}", auto_reply_mode="always")
    wait_until(lambda: taken(stack, number, new_customer(), "probe"))
    customer = new_customer()
    sent = stack.simulator.inbound(from_=customer, to=number, body="<b>Hi</b> & bye").json()
    assert sent["webhook"]["delivered"], sent
    wait_until(lambda: len(thread(stack, customer)) == 2)
    inbound, reply = thread(stack, customer)
    assert inbound["body"] == "<b>Hi</b> & bye"
    assert (reply["author"], reply["direction"]) == ("AUTHOR_SYSTEM", "DIRECTION_OUTBOUND")
    assert reply["body"] == "We received: <b>Hi</b> & bye"
    # The customer has it once: from Twilio, not from us too.
    texts = [m["body"] for m in handset(stack, customer, number) if m.get("direction") != "inbound"]
    assert texts.count(reply["body"]) == 1
    # A keyword gets none, and still counts.
    stop = new_customer()
    assert taken(stack, number, stop, " Stop ") == []
    (keyword,) = wait_until(lambda: thread(stack, stop))
    assert keyword["body"] == " Stop "


def test_out_of_hours_only(stack, channel_with):
    always_open = [{"weekday": d, "from_minute": 0, "to_minute": 1440} for d in range(1, 8)]
    settings = {"auto_reply": "We are closed.", "auto_reply_mode": "out_of_hours"}
    closed = channel_with(**settings, office_time_zone="Europe/Berlin")
    opened = channel_with(**settings, office_hours=json.dumps(always_open))
    wait_until(lambda: taken(stack, closed, new_customer(), "probe"))
    (reply,) = taken(stack, closed, new_customer(), "Hello?")
    assert reply.text == "We are closed."
    assert taken(stack, opened, new_customer(), "Hello?") == []


def test_a_voicemail_is_recorded_and_shown_with_its_call(stack, channel_with):
    number = channel_with(voice_action="voicemail", voice_greeting="Please speak.")

    def steps_of_a_call():
        customer = new_customer()
        stack.simulator.inbound(from_=customer, to=number, body="It is me", channel="voice")
        thread_of_phone = handset(stack, customer, number)
        verbs_heard = [step["verb"] for step in thread_of_phone[-1]["steps"]]
        return customer if "Record" in verbs_heard else None

    customer = wait_until(steps_of_a_call, step_s=0.2)

    def recorded():
        messages = thread(stack, customer, "MEDIUM_VOICE")
        return messages if messages and messages[0].get("media") else None

    (message,) = wait_until(recorded, 15, lambda: thread(stack, customer, "MEDIUM_VOICE"))
    assert message["kind"] == "KIND_CALL"
    # Its end is told at the status route.
    wait_until(
        lambda: stack.query(
            f"SELECT call_status FROM gateway.messages WHERE id = '{message['id']}'"
        )
        == "completed"
    )


def test_a_call_is_forwarded_and_nobody_is_left_without_an_answer(stack, channel_with):
    number = channel_with(voice_action="forward", forward_number="+15005550009")
    webhooks = Webhooks(stack)

    def dialled():
        (first, *_) = verbs(webhooks.post(a_call(stack, new_customer(), To=number), VOICE))
        return first if first.tag == "Dial" else None

    dial = wait_until(dialled)
    assert (dial.attrib["callerId"], dial.find("Number").text) == (number, "+15005550009")
    assert dial.attrib["action"].startswith(stack.credentials["public"])
    back = a_call(
        stack, new_customer(), To=number, CallStatus="in-progress", DialCallStatus="no-answer"
    )
    assert [verb.tag for verb in verbs(webhooks.post(back, VOICE))] == ["Say", "Record", "Hangup"]
    # With the simulator: put through, then hung up.
    customer = new_customer()
    stack.simulator.inbound(from_=customer, to=number, body="", channel="voice")
    wait_until(
        lambda: [step["verb"] for step in handset(stack, customer, number)[-1]["steps"]]
        == ["Dial", "Hangup"]
    )


def test_a_new_number_is_pointed_here_for_texts_and_calls(stack, channel_with):
    number = channel_with()
    sid, token = stack.credentials["account_sid"], stack.credentials["auth_token"]
    query = urlencode({"PhoneNumber": number})
    url = f"{stack.simulator.url}/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json?{query}"
    (found,) = (
        call("GET", url, headers=basic(sid, token)).expect(200).json()["incoming_phone_numbers"]
    )
    here = stack.credentials["public"] + "/webhooks/twilio/"
    for field, route in (
        ("sms_url", "message"),
        ("sms_fallback_url", "message"),
        ("voice_url", "voice"),
        ("voice_fallback_url", "voice"),
        ("status_callback", "status"),
    ):
        assert found[field] == f"{here}{route}#rc=5&rp=all", field


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user}:{password}".encode()).decode()}


def test_what_nobody_may_send_is_refused(stack):
    webhooks = Webhooks(stack)
    good = webhooks.inbound(new_customer(), "refused")
    unknown = {**good, "AccountSid": ACCOUNT}
    messenger = {**good, "From": "messenger:1"}
    refusals = {
        "SIGNATURE_MISSING": webhooks.post(good, signature=""),
        "SIGNATURE_MALFORMED": webhooks.post(good, signature="x"),
        "SIGNATURE_MISMATCH": webhooks.post(good, signature=webhooks.sign("/elsewhere", good)),
        "UNKNOWN_ACCOUNT": webhooks.post(unknown),
    }
    for reason, answer in refusals.items():
        body = answer.expect(403).json()
        assert body["error"]["details"][0]["reason"] == reason
    unsupported = webhooks.post(messenger).expect(400).json()
    assert unsupported["error"]["details"][0]["reason"] == "CHANNEL_UNSUPPORTED"
    old = webhooks.post(unknown, "/api/webhooks/voice").expect(400).json()
    assert (old["success"], old["error"]["code"]) == (False, "PARAM_MISSING")


def test_a_failed_signature_of_a_known_account_is_kept_once(stack):
    webhooks = Webhooks(stack)
    text = webhooks.inbound(new_customer(), "where did it go?")
    token = {"I-Twilio-Idempotency-Token": str(uuid.uuid4())}
    wrong = webhooks.sign("/elsewhere", text)
    for _ in range(3):
        webhooks.post(text, signature=wrong, headers=token).expect(403)
    count = (
        "SELECT count(*) FROM gateway.quarantined_webhooks WHERE idempotency_token = "
        f"'{token['I-Twilio-Idempotency-Token']}'"
    )
    wait_until(lambda: stack.query(count) == "1")
    assert thread(stack, text["From"]) == []
