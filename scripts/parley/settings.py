"""The settings of one installation: the environment, and what a running one was started with."""

import json
import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from parley.layout import Layout, write_atomically
from parley.problem import Problem

_PREFIXES = ("PARLEY_", "TWILIO_", "AI_", "SIMULATOR_")
_NAMES = ("SERVER_URL", "MOCK_MODE")
# About ./run itself, no setting of a service.
_OWN_PREFIXES = ("PARLEY_PORT_", "PARLEY_TEST_")
_OWN_NAMES = ("PARLEY_LOCAL_DIR", "PARLEY_EDGE_ADDRESS")

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off", ""}

SIMULATOR_ACCOUNT_SID = "AC" + "1" * 32
SIMULATOR_PHONE_NUMBER = "+15550001000"


def is_setting(name: str) -> bool:
    if name.startswith(_OWN_PREFIXES) or name in _OWN_NAMES:
        return False
    return name.startswith(_PREFIXES) or name in _NAMES


def flag(values: dict[str, str], name: str, default: bool = False) -> bool:
    """A true/false setting. Raises Problem for any other word."""
    text = values.get(name)
    if text is None:
        return default
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise Problem(f"{name} is wrong", f"{text!r} is neither true nor false", f"Set {name}=true")


class Settings:
    """What the user set, and what follows from it for each service.

    The environment comes first, then what the installation was started with (so
    that `./run restart sender` from another shell changes nothing by accident),
    then the file .local/settings.env with its NAME=value lines.
    """

    def __init__(self, layout: Layout, values: dict[str, str]):
        self.layout = layout
        self.values = values

    @classmethod
    def load(cls, layout: Layout, environment=None) -> "Settings":
        environment = os.environ if environment is None else environment
        values = {**_read_file(layout.data / "settings.env"), **_read_started(layout)}
        values.update({name: text for name, text in environment.items() if is_setting(name)})
        return cls(layout, {name: text for name, text in values.items() if text != ""})

    def remember(self) -> None:
        """Keeps the settings while the installation runs."""
        write_atomically(_started_file(self.layout), json.dumps(self.values), mode=0o600)

    @staticmethod
    def forget(layout: Layout) -> None:
        _started_file(layout).unlink(missing_ok=True)

    # What is used instead of being started.

    def external(self, component: str) -> str:
        """The address that the user gave for a component, or "" if it is ours to run."""
        name = {
            "kafka": "PARLEY_KAFKA_BROKERS",
            "postgres": "PARLEY_DATABASE_URL",
            "redis": "PARLEY_REDIS_URL",
        }.get(component, "")
        return self.values.get(name, "")

    @property
    def uses_simulator(self) -> bool:
        """Without a Twilio account, or when asked for, the simulator plays Twilio."""
        if flag(self.values, "MOCK_MODE"):
            return True
        return not (self.values.get("TWILIO_ACCOUNT_SID") and self.values.get("TWILIO_AUTH_TOKEN"))

    @property
    def server_url(self) -> str:
        return self.values.get("SERVER_URL", f"http://127.0.0.1:{self.layout.ports.edge}")

    @property
    def twilio_url(self) -> str:
        if self.uses_simulator:
            return f"http://127.0.0.1:{self.layout.ports.simulator}"
        return self.values.get("TWILIO_API_BASE_URL", "https://api.twilio.com")

    @property
    def twilio_account(self) -> tuple[str, str, str]:
        """Account SID, auth token and phone number that services are given."""
        if not self.uses_simulator:
            return (
                self.values["TWILIO_ACCOUNT_SID"],
                self.values["TWILIO_AUTH_TOKEN"],
                self.values.get("TWILIO_PHONE_NUMBER", ""),
            )
        number = self.values.get("TWILIO_PHONE_NUMBER", SIMULATOR_PHONE_NUMBER)
        sid = self.values.get("SIMULATOR_ACCOUNT_SID", SIMULATOR_ACCOUNT_SID)
        return sid, simulator_token(self.layout), number

    def for_services(self) -> dict[str, str]:
        """What every service's environment has in common."""
        ports = self.layout.ports
        sid, token, number = self.twilio_account
        allowed = [self.values[n] for n in ("PARLEY_OUTBOUND_ALLOW",) if n in self.values]
        if self.uses_simulator:
            allowed.append(f"127.0.0.1:{ports.simulator}")
        result = {
            "PARLEY_ENV": "development",
            "PARLEY_BIND_ADDRESS": "127.0.0.1",
            "PARLEY_KAFKA_BROKERS": f"127.0.0.1:{ports.kafka}",
            "PARLEY_DATABASE_URL": f"postgresql://parley@127.0.0.1:{ports.postgres}/parley",
            "PARLEY_REDIS_URL": f"redis://127.0.0.1:{ports.redis}",
            "AI_RESPONSES_ENABLED": "true" if self.uses_simulator else "false",
            **self.values,
            "SERVER_URL": self.server_url,
            "TWILIO_API_BASE_URL": self.twilio_url,
            "TWILIO_ACCOUNT_SID": sid,
            "TWILIO_AUTH_TOKEN": token,
            "MOCK_MODE": "true" if self.uses_simulator else "false",
        }
        if number:
            result["TWILIO_PHONE_NUMBER"] = number
        if allowed:
            result["PARLEY_OUTBOUND_ALLOW"] = ",".join(allowed)
        for name in ("SIMULATOR_ACCOUNT_SID", "SIMULATOR_AUTH_TOKEN"):
            result.pop(name, None)
        return result


def simulator_token(layout: Layout) -> str:
    """The simulator's auth token: made up once for each installation."""
    path = layout.keys / "simulator.token"
    if not path.exists():
        write_atomically(path, secrets.token_hex(16) + "\n", mode=0o600)
    return path.read_text(encoding="ascii").strip()


def host_and_port(url: str, default_port: int) -> tuple[str, int]:
    """The host and port of a URL, or of the first entry of a host:port list."""
    first = url.split(",")[0]
    parts = urlsplit(first if "//" in first else f"//{first}")
    return parts.hostname or "127.0.0.1", parts.port or default_port


def _started_file(layout: Layout) -> Path:
    return layout.run / "settings.json"


def _read_started(layout: Layout) -> dict[str, str]:
    try:
        return json.loads(_started_file(layout).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _read_file(path: Path) -> dict[str, str]:
    values = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return values
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise Problem(f"{path}, line {number} is wrong", "it has no =", "Write NAME=value")
        values[name.strip()] = value.strip().strip("\"'")
    return values
