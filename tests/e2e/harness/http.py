"""One HTTP call, with everything a test wants to know of its answer."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Answer:
    """Status 0 means that no answer came; `error` says why."""

    status: int
    headers: dict[str, str]
    body: bytes
    error: str = ""

    def json(self) -> Any:
        return json.loads(self.body)

    def expect(self, status: int) -> "Answer":
        """This answer, if it has that status; else the test fails with its body."""
        assert self.status == status, f"{self.status} {self.error} {self.body[:600]!r}"
        return self


def call(
    method: str,
    url: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    timeout_s: float = 15.0,
) -> Answer:
    """Makes one request; never raises for what the other side does."""
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with _NO_PROXY.open(request, timeout=timeout_s) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read())
    except (OSError, ValueError) as error:
        return Answer(0, {}, b"", str(getattr(error, "reason", error)))


def _lower(headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
