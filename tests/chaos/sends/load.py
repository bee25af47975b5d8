"""Asks the API for messages, as clients do that repeat what was not answered."""

import http.client
import json
import threading
import time
from urllib.parse import urlsplit

from sends.plan import Message

_CLIENTS = 6
_ANSWER_SECONDS_MAX = 90.0


class Load:
    """Posts messages from several clients; each has conversations of its own and asks for them
    in order."""

    def __init__(self, url: str, api_key: str, channels: list[str], messages: list[Message]):
        self._address = urlsplit(url)
        self._api_key = api_key
        self._channels = channels
        self._posted = 0
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._post_all,
                args=([m for m in messages if m.conversation % _CLIENTS == client],),
                daemon=True,
            )
            for client in range(_CLIENTS)
        ]

    @property
    def posted(self) -> int:
        return self._posted

    def start(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def running(self) -> bool:
        """Whether there is more to post. Raises what a client failed with."""
        if self._failure is not None:
            raise RuntimeError("the API refused a message") from self._failure
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _post_all(self, messages: list[Message]) -> None:
        connection = http.client.HTTPConnection(self._address.hostname, self._address.port)
        try:
            for message in messages:
                if self._stop.is_set() or self._failure is not None:
                    return
                self._until_answered(connection, self._body(message))
                self._posted += 1
        except BaseException as error:  # The main thread raises it.
            self._failure = error
        finally:
            connection.close()

    def _body(self, message: Message) -> bytes:
        return json.dumps(
            {
                "messageId": message.id,
                "channelId": self._channels[message.number],
                "to": message.customer,
                "body": message.body,
            }
        ).encode()

    def _until_answered(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        deadline = time.monotonic() + _ANSWER_SECONDS_MAX
        while True:
            try:
                connection.request("POST", "/v1/messages", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status // 100 == 2:
                    return
                why = f"{answer.status} {text[:300]!r}"
                if answer.status not in (429, 500, 502, 503, 504):
                    raise RuntimeError(why)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                why = str(error)
            if time.monotonic() > deadline:
                raise RuntimeError(f"no 2xx for {_ANSWER_SECONDS_MAX:.0f} s: {why}")
            if self._stop.wait(0.05):
                return
