"""Twilio's repeats: however often and however close together, a message is stored once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import wait_until
from harness.twilio_webhooks import Webhooks, new_customer

SIDS = 1_000
COPIES = 4
LANES = 4  # Each delivers the copies of its messages at the same instant.


@pytest.mark.timeout(300)
def test_four_copies_at_the_same_instant_are_one_message(stack):
    webhooks = Webhooks(stack)
    customers = [new_customer() for _ in range(SIDS // 10)]
    sids: list[str] = []

    def deliver_lane(lane: int) -> list[str]:
        barrier = threading.Barrier(COPIES)
        texts = [
            webhooks.inbound(customers[n % len(customers)], f"repeat {n}")
            for n in range(lane, SIDS, LANES)
        ]

        def deliver_copies() -> None:
            for parameters in texts:
                barrier.wait(60)
                # No idempotency token: what must be recognised is the message itself.
                headers = {"I-Twilio-Idempotency-Token": ""}
                webhooks.post(parameters, headers=headers, base="webhooks").expect(200)

        with ThreadPoolExecutor(COPIES) as pool:
            for copy in [pool.submit(deliver_copies) for _ in range(COPIES)]:
                copy.result()
        return [parameters["MessageSid"] for parameters in texts]

    with ThreadPoolExecutor(LANES) as pool:
        for delivered in pool.map(deliver_lane, range(LANES)):
            sids.extend(delivered)
    assert len(set(sids)) == SIDS

    listed = ",".join(f"'{customer}'" for customer in customers)
    of_them = (
        "FROM gateway.messages m JOIN gateway.conversations c "
        "ON c.organization_id = m.organization_id AND c.id = m.conversation_id "
        f"WHERE c.customer_number IN ({listed}) AND m.direction = 'inbound'"
    )
    wait_until(
        lambda: int(stack.query(f"SELECT count(DISTINCT m.message_sid) {of_them}")) == SIDS,
        60,
        "not every text is stored",
    )
    # A mark behind all copies of each customer: once it is stored, so is whatever else came.
    for customer in customers:
        webhooks.text(customer, "the last one")
    wait_until(
        lambda: (
            int(stack.query(f"SELECT count(*) {of_them} AND m.body = 'the last one'"))
            == len(customers)
        ),
        60,
        "not every mark is stored",
    )
    assert int(stack.query(f"SELECT count(*) {of_them}")) == SIDS + len(customers)
