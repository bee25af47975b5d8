"""Listens to GET /v1/live as a browser does."""

import http.client
import json
import threading
from urllib.parse import urlsplit

from harness.wait import wait_until


class LiveStream:
    """Collects events until closed. `events` are (id, name, data)."""

    def __init__(self, url: str, token: str, last_event_id: str = ""):
        target = urlsplit(url)
        self._connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        self._connection.request("GET", "/v1/live", headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.events: list[tuple[str, str, dict]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        fields: dict[str, str] = {}
        try:
            for raw in self._response:
                line = raw.decode().rstrip("\r\n")
                if line.startswith(":"):
                    continue
                if line:
                    name, _, value = line.partition(":")
                    fields[name] = fields.get(name, "") + value.removeprefix(" ")
                elif "data" in fields:
                    data = json.loads(fields["data"])
                    self.events.append((fields.get("id", ""), fields.get("event", ""), data))
                    fields = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # Closed.

    def wait_for(self, matches, timeout_s: float = 10.0):
        """The first event for which `matches(id, name, data)` is true."""
        return wait_until(
            lambda: next((event for event in list(self.events) if matches(*event)), None),
            timeout_s,
            lambda: f"{len(self.events)} events, none of which fits",
        )

    def close(self):
        self._connection.sock and self._connection.sock.close()
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
