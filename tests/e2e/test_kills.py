"""Each service is killed with -9 while texts come in: nothing is lost, nothing is doubled."""

import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest

from harness import wait_until
from harness.twilio_webhooks import Webhooks, new_customer

TEXTS = 500
CUSTOMERS = 25


def message_ids(entries: list[dict]) -> list[str]:
    """Our message ids of ledger entries, from their callback URLs."""
    queries = [parse_qs(urlsplit(entry["status_callback"]).query) for entry in entries]
    return [query["message_id"][0] for query in queries]


def deliver(webhooks: Webhooks, parameters: dict[str, str]) -> None:
    """As a sender that repeats what was not answered 2xx."""
    wait_until(lambda: webhooks.post(parameters).status // 100 == 2, 60, "no 2xx for a minute")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim", ["webhook-ingest", "gateway", "ai-responder", "sender"])
def test_no_text_is_lost_or_answered_twice(stack, victim):
    webhooks = Webhooks(stack)
    customers = [new_customer() for _ in range(CUSTOMERS)]
    sent = {customer: [] for customer in customers}
    progress = threading.Semaphore(0)
    ledger_start = len(stack.simulator.ledger())

    def text_in(customer: str) -> None:
        for n in range(TEXTS // CUSTOMERS):
            parameters = webhooks.inbound(customer, f"{n}")
            deliver(webhooks, parameters)
            sent[customer].append(parameters["MessageSid"])
            progress.release()

    sending_at_kill: set[str] = set()
    with ThreadPoolExecutor(CUSTOMERS) as pool:
        texting = [pool.submit(text_in, customer) for customer in customers]
        for _ in range(3):  # Three kills, spread over the run.
            for _ in range(TEXTS // 5):
                progress.acquire(timeout=90)
            stack.kill(victim)
            if victim == "sender":
                under_way = stack.query(
                    "SELECT message_id FROM sender.deliveries WHERE state = 'sending'"
                )
                sending_at_kill.update(under_way.splitlines())
        for one in texting:
            one.result()
    stack.wait_ready(victim)

    listed = ",".join(f"'{customer}'" for customer in customers)

    def rows(columns: str, more: str = "") -> list[list[str]]:
        text = stack.query(
            f"SELECT {columns} FROM gateway.messages m JOIN gateway.conversations c "
            "ON (c.organization_id, c.id) = (m.organization_id, m.conversation_id) "
            f"WHERE c.customer_number IN ({listed}) {more} ORDER BY c.customer_number, m.seq"
        )
        return [line.split("|") for line in text.splitlines() if line]

    # Every text is stored once, in the order in which its sender was answered.
    def stored():
        inbound = {customer: [] for customer in customers}
        for customer, sid in rows("c.customer_number, m.message_sid", "AND m.direction='inbound'"):
            inbound[customer].append(sid)
        assert inbound == sent
        return True

    wait_until(stored, 60, step_s=0.5)

    # Every turn ends: answered, or shown as unconfirmed.
    def settled():
        open_turns = stack.query(
            "SELECT count(*) FROM gateway.conversations WHERE (pending_due_at IS NOT NULL OR "
            f"open_turn_id IS NOT NULL) AND customer_number IN ({listed})"
        )
        waiting = rows(
            "m.id",
            "AND m.direction='outbound' AND m.status IN ('queued','sending','sent','scheduled')",
        )
        assert int(open_turns) == 0
        assert waiting == []
        return True

    wait_until(settled, 120, step_s=0.5)
    answers = rows("m.id, m.status, m.author", "AND m.direction='outbound'")
    unconfirmed = [row for row in answers if row[1] == "unconfirmed"]
    assert {row[0] for row in unconfirmed} <= sending_at_kill, answers
    assert {row[1] for row in answers} <= {"delivered", "unconfirmed"}
    # The last word in every conversation is the AI's.
    last = {row[0]: row[1] for row in rows("c.customer_number, m.author")}
    assert last == dict.fromkeys(customers, "ai")

    ledger = [e for e in stack.simulator.ledger(0)[ledger_start:] if e["to"] in customers]
    ids = message_ids(ledger)
    assert len(ids) == len(set(ids)), "a message was sent twice"
    assert set(ids) <= {row[0] for row in answers}
    assert {row[0] for row in answers if row[1] == "delivered"} <= set(ids)
