"""Compares the store with the ledger of what was sent."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

_EXAMPLES_MAX = 5


@dataclass
class Sent:
    """A webhook as its sender saw it."""

    customer: str
    count: int  # The customer's own, from 1.
    acknowledged: bool


def read_ledger(path: Path) -> dict[str, Sent]:
    """By message SID. A webhook counts as acknowledged if one of its tries was answered 2xx."""
    sent: dict[str, Sent] = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            sid, customer, _, count, _, status = line.split()
            ours = sent.setdefault(sid, Sent(customer, int(count), False))
            ours.acknowledged |= 200 <= int(status) < 300
    return sent


@dataclass
class Verdict:
    """What was found; `violations` is empty if every promise was kept."""

    counts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def add(self, what: str, examples: list) -> None:
        if examples:
            shown = "; ".join(str(example) for example in examples[:_EXAMPLES_MAX])
            self.violations.append(f"{len(examples)} {what}: {shown}")


class Store:
    """Reads what PostgreSQL has of the customers from `first` to `last`."""

    def __init__(self, stack, first: str, last: str):
        self._stack = stack
        self._customers = f"customer_number BETWEEN '{first}' AND '{last}'"

    def _rows(self, statement: str) -> list[list[str]]:
        text = self._stack.query(statement, timeout_s=120.0)
        return [line.split("|") for line in text.splitlines()]

    def count(self) -> int:
        """Messages from these customers."""
        return int(
            self._stack.query(
                "SELECT coalesce(sum(message_count), 0) FROM gateway.conversations "
                f"WHERE {self._customers}"
            )
        )

    def messages(self) -> list[tuple[str, str, int, bool]]:
        """(conversation, SID, seq, late), by conversation and seq."""
        rows = self._rows(
            "SELECT m.conversation_id, m.message_sid, m.seq, m.late FROM gateway.messages m "
            "JOIN gateway.conversations c ON c.organization_id = m.organization_id "
            f"AND c.id = m.conversation_id WHERE c.{self._customers} ORDER BY 1, 3"
        )
        return [(row[0], row[1], int(row[2]), row[3] == "t") for row in rows]

    def half_there(self) -> list[str]:
        """Conversations whose own numbers are not those of their messages."""
        rows = self._rows(
            "SELECT c.id, c.last_seq, c.message_count, c.unread_count, count(m.*), max(m.seq), "
            "count(*) FILTER (WHERE m.direction = 'inbound' AND m.seq > c.read_seq), "
            "count(DISTINCT m.seq), bool_or(m.id = c.last_message_id AND m.seq = c.last_seq), "
            "(SELECT count(*) FROM gateway.contacts t WHERE t.organization_id = c.organization_id "
            "AND t.id = c.contact_id AND t.phone_number = c.customer_number) "
            "FROM gateway.conversations c LEFT JOIN gateway.messages m "
            "ON m.organization_id = c.organization_id AND m.conversation_id = c.id "
            f"WHERE c.{self._customers} GROUP BY c.organization_id, c.id"
        )
        bad = []
        for row in rows:
            last_seq, count, unread, messages, seq_max, inbound, seqs = map(int, row[1:8])
            whole = last_seq == count == messages == seq_max == seqs and unread == inbound
            if not whole or row[8] != "t" or row[9] != "1":
                bad.append(" ".join(row))
        return bad

    def wrong_consents(self) -> list[str]:
        """Customers whose consent is not what their newest keyword in the store says."""
        rows = self._rows(
            "WITH said AS (SELECT DISTINCT ON (c.organization_id, c.customer_number) "
            "c.organization_id, c.customer_number, upper(m.body) = 'STOP' AS opted_out "
            "FROM gateway.messages m JOIN gateway.conversations c "
            "ON c.organization_id = m.organization_id AND c.id = m.conversation_id "
            f"WHERE c.{self._customers} AND upper(m.body) IN ('STOP', 'START') "
            "ORDER BY 1, 2, m.received_at DESC) "
            "SELECT said.customer_number, said.opted_out, known.opted_out FROM said "
            "LEFT JOIN LATERAL (SELECT s.opted_out FROM gateway.suppressions s "
            "WHERE s.organization_id = said.organization_id "
            "AND s.customer_number = said.customer_number "
            "ORDER BY s.given_at DESC LIMIT 1) known ON true "
            "WHERE known.opted_out IS DISTINCT FROM said.opted_out"
        )
        return [" ".join(row) for row in rows]


def verify(sent: dict[str, Sent], store: Store) -> Verdict:
    """Every promise of issue 4 about what was sent."""
    messages = store.messages()
    stored = [sid for _, sid, _, _ in messages]
    known = set(stored)
    acknowledged = {sid for sid, ours in sent.items() if ours.acknowledged}
    verdict = Verdict(
        counts={
            "sent": len(sent),
            "acknowledged": len(acknowledged),
            "stored": len(stored),
            "stored without a 2xx": len(known - acknowledged),
            "late": sum(late for _, _, _, late in messages),
            "conversations": len({conversation for conversation, *_ in messages}),
        }
    )
    verdict.add("acknowledged and not stored", sorted(acknowledged - known))
    verdict.add("stored twice", sorted(sid for sid, times in Counter(stored).items() if times > 1))
    verdict.add("stored and never sent", sorted(known - set(sent)))
    verdict.add("conversations out of order", _out_of_order(messages, sent))
    verdict.add("conversations that are half there", store.half_there())
    verdict.add("customers with a wrong consent", store.wrong_consents())
    return verdict


def _out_of_order(messages, sent: dict[str, Sent]) -> list[str]:
    """Where a customer's later text stands before an earlier one. A text that was not answered 2xx
    was not waited for, so it may come behind the next one if it says so (late)."""
    bad = []
    highest: dict[str, int] = defaultdict(int)
    for conversation, sid, seq, late in messages:
        if sid not in sent:
            continue
        ours = sent[sid]
        if ours.count < highest[conversation] and (ours.acknowledged or not late):
            bad.append(
                f"{ours.customer}: text {ours.count} (late: {late}, acknowledged: "
                f"{ours.acknowledged}) at seq {seq} behind text {highest[conversation]}"
            )
        highest[conversation] = max(highest[conversation], ours.count)
    return bad
