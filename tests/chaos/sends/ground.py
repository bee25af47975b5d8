"""The installation that a run takes place in: everything as ./run starts it, but for the sender."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg2

from harness import Stack
from harness.http import call
from parley.layout import Layout
from sends.plan import Plan
from sends.replicas import Replicas
from sends.verdict import Arrival, Stored

# Notes each journal entry, so that a run sees also those that a retry overwrites.
_RECORDER = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.journal (message_id uuid, attempt int, at timestamptz);
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.journal VALUES (NEW.message_id, NEW.attempt, NEW.requested_at);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_note AFTER UPDATE OF state ON sender.deliveries FOR EACH ROW
WHEN (OLD.state = 'queued' AND NEW.state = 'sending') EXECUTE FUNCTION chaos.note();
"""


class Ground:
    """A running installation with `plan.replicas` senders, one channel for each number."""

    def __init__(self, stack: Stack, plan: Plan):
        self._stack = stack
        self.plan = plan
        self.url = stack.credentials["http"]
        self.api_key = stack.credentials["api_key"]
        self.simulator = stack.simulator
        self.database = psycopg2.connect(stack.database_url)
        self.database.autocommit = True
        self._arrived: list[Arrival] = []
        self._after = 0
        self.execute(_RECORDER)
        self.numbers = [f"+15550001{n:03d}" for n in range(plan.numbers)]
        self.channels = [self._channel(number) for number in self.numbers]
        installation = stack.installation
        self.replicas = Replicas(
            installation.layout.binary("sender"),
            installation.environment("sender"),
            installation.layout.log,
            plan.replicas,
        )

    def _channel(self, number: str) -> str:
        if number == self._stack.credentials["phone_number"]:
            return self._stack.credentials["channel_id"]
        channel = {"displayName": number, "phoneNumber": number, "media": ["MEDIUM_SMS"]}
        return self._stack.post("/v1/channels", {"channel": channel}).expect(200).json()["id"]

    def close(self) -> None:
        self.replicas.close()
        self.database.close()

    # --- Looking ---

    def rows(self, statement: str, *values) -> list[tuple]:
        with self.database.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall()

    def execute(self, statement: str) -> None:
        with self.database.cursor() as cursor:
            cursor.execute(statement)

    def arrived(self) -> int:
        """How many messages have reached Twilio."""
        return call("GET", f"{self.simulator.url}/simulator/v1/health").expect(200).json()["ledger"]

    def arrivals(self) -> list[Arrival]:
        """All that reached Twilio, in order."""
        for entry in self.simulator.ledger(self._after):
            query = parse_qs(urlsplit(entry["status_callback"] or "").query)
            self._arrived.append(
                Arrival(
                    query.get("message_id", [""])[0],
                    int(query.get("attempt", ["0"])[0]),
                    entry["body"],
                    entry["arrived_at_us"],
                )
            )
            self._after = entry["index"]
        return self._arrived

    def in_flight(self) -> set[str]:
        """Messages that are journalled and have no outcome yet."""
        rows = self.rows("SELECT message_id FROM sender.deliveries WHERE state = 'sending'")
        return {str(row[0]) for row in rows}

    def shown(self) -> dict[str, Stored]:
        """What the inbox shows of every message."""
        rows = self.rows(
            "SELECT id, status, error_reason FROM gateway.messages WHERE direction = 'outbound'"
        )
        return {str(row[0]): Stored(row[1], row[2]) for row in rows}

    def queued(self) -> dict[str, Stored]:
        """The sender's rows; of several generations the newest."""
        rows = self.rows(
            "SELECT message_id, state, reason FROM sender.deliveries ORDER BY generation"
        )
        return {str(row[0]): Stored(row[1], row[2]) for row in rows}

    def journal(self) -> dict[tuple[str, int], list[int]]:
        """The times of all journal entries, in µs, by message and attempt."""
        times = defaultdict(list)
        for message_id, attempt, at_us in self.rows(
            "SELECT message_id, attempt, (extract(epoch FROM at) * 1000000)::bigint "
            "FROM chaos.journal"
        ):
            times[str(message_id), attempt].append(at_us)
        return times

    def owners(self) -> dict[str, int]:
        """The process that sends for each number; without those that nobody sends for."""
        rows = self.rows(
            "SELECT l.sender_number, s.owner FROM sender.lanes l JOIN sender.shards s "
            "USING (shard) WHERE s.owner IS NOT NULL AND s.lease_until > now()"
        )
        # An owner is "<boot>/<namespace>/<process id>/<start time>".
        return {number: int(owner.split("/")[-2]) for number, owner in rows}


@contextmanager
def ground(
    plan: Plan,
    folder: Path,
    build: Path = Layout.build,
    settings: dict[str, str] | None = None,
) -> Iterator[Ground]:
    """Starts the installation in `folder`, whose old contents go, and ends it. `build`: the folder
    whose bin/ holds the programs."""
    stack = Stack.in_folder(
        folder,
        {
            "AI_RESPONSES_ENABLED": "false",
            "PARLEY_RATE_LONG_CODE": f"{plan.rate:g}",
            "PARLEY_SEND_TIMEOUT": f"{plan.send_timeout_s * 1000:.0f}ms",
            **(settings or {}),
        },
        build,
    )
    try:
        stack.start()
        stack.stop_component("sender")
        place = Ground(stack, plan)
        try:
            place.replicas.wait_ready()
            yield place
        finally:
            place.close()
    finally:
        stack.close()
