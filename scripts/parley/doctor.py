"""./run doctor: checks everything that a working installation needs, and says what to do."""

import base64
import json
import os
import re
import resource
import shutil
import stat
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from parley import build, infra, install
from parley import ports as port_tools
from parley.components import INFRA, SERVICES, Installation
from parley.problem import Problem
from parley.settings import flag, host_and_port
from parley.supervise import Supervisor

_GIB = 1 << 30
_TOPICS = (
    "parley.inbound",
    "parley.consent",
    "parley.delivery-status",
    "parley.conversation-events",
    "parley.replies",
    "parley.send-commands",
    "parley.send-results",
    "parley.directory",
    "parley.quarantine",
)
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_TWILIO_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Answer:
    """The outcome of one call to Twilio."""

    status: int
    body: dict
    error: str = ""


class Doctor:
    """Runs the checks one after the other and counts them."""

    def __init__(self, installation: Installation, out=print):
        self._installation = installation
        self._layout = installation.layout
        self._settings = installation.settings
        self._values = installation.settings.values
        self._out = out
        self._passed = 0
        self._failed = 0
        self._status: dict[str, dict] = {}

    def run(self) -> int:
        self._status = Supervisor(self._layout.run).status()
        for title, checks in (
            ("This machine", (self._tools, self._room, self._ports, self._files)),
            ("Settings", (self._twilio_settings, self._addresses, self._ai_settings)),
            ("Kafka, PostgreSQL and Redis", (self._kafka, self._postgres, self._redis)),
            ("Services", (self._services, self._routes)),
            ("Twilio", (self._twilio,)),
        ):
            self._out(f"{title}")
            for check in checks:
                try:
                    check()
                except Problem as problem:
                    self._fail(problem.what, problem.why, problem.remedy)
        total = self._passed + self._failed
        self._out(f"\n{self._passed} of {total} checks passed")
        return 0 if self._failed == 0 else 1

    # --- Counting ---

    def _pass(self, what: str, detail: str = "") -> None:
        self._passed += 1
        self._out(f"  ok      {what}" + (f": {detail}" if detail else ""))

    def _fail(self, what: str, why: str, remedy: str) -> None:
        self._failed += 1
        self._out(f"  FAILED  {what}" + (f": {why}" if why else ""))
        if remedy:
            self._out(f"          {remedy}")

    def _skip(self, what: str, why: str) -> None:
        """Not counted: there is nothing to check now."""
        self._out(f"  -       {what}: {why}")

    def _check(self, good: bool, what: str, detail: str, why: str, remedy: str) -> bool:
        if good:
            self._pass(what, detail)
        else:
            self._fail(what, why, remedy)
        return good

    def _runs(self, name: str) -> bool:
        return self._status.get(name, {}).get("state") == "running"

    # --- This machine ---

    def _tools(self) -> None:
        wanted = install.wanted_packages()
        missing = install.missing_packages(wanted)
        self._check(
            not missing,
            "Debian packages",
            f"{len(wanted)} installed",
            f"missing: {' '.join(missing)}",
            "./run start installs them.",
        )
        kafka = (self._layout.tools / "kafka" / "stamp").exists()
        self._check(kafka, "Kafka's jars", "there", "missing", "./run start fetches them.")
        missing = [name for name in build.PROGRAMS if not self._layout.binary(name).exists()]
        self._check(
            not missing,
            "The services' programs",
            "built",
            f"not built: {', '.join(missing)}",
            "./run start builds them.",
        )
        page = self._layout.web_root / "index.html"
        self._check(page.exists(), "The page", "built", "not built", "./run start builds it.")

    def _room(self) -> None:
        folder = self._layout.data if self._layout.data.exists() else self._layout.checkout
        free = shutil.disk_usage(folder).free / _GIB
        self._check(
            free >= 2,
            "Disk",
            f"{free:.0f} GiB free",
            f"{free:.1f} GiB free, and 2 GiB are wanted",
            "Free some space; ./run reset deletes what was stored here.",
        )
        facts = Path("/proc/meminfo").read_text(encoding="ascii")
        available = int(re.search(r"MemAvailable:\s+(\d+)", facts).group(1)) / (1 << 20)
        wanted = 0.5 if self._runs("kafka") else 1.5
        self._check(
            available >= wanted,
            "Memory",
            f"{available:.1f} GiB available",
            f"{available:.1f} GiB available, and {wanted} GiB are wanted",
            "End other programs.",
        )
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._check(
            limit == resource.RLIM_INFINITY or limit >= 4096,
            "Open files",
            "enough allowed",
            f"only {limit} allowed",
            "Raise the limit: ulimit -n 65536.",
        )
        self._check(
            os.access(folder, os.W_OK),
            "Data folder",
            str(folder),
            f"{folder} is not writable",
            "Make it writable, or set PARLEY_LOCAL_DIR.",
        )

    def _ports(self) -> None:
        for name in self._installation.ours():
            taken = [
                f"{port} by {port_tools.holder(port)}"
                for port in self._installation.ports_of(name)
                if not self._status.get(name, {}).get("pid") and not port_tools.is_free(port)
            ]
            ports = ", ".join(str(port) for port in self._installation.ports_of(name))
            self._check(
                not taken,
                f"Ports of {name}",
                ports,
                f"taken: {', '.join(taken)}",
                "Stop that process, or choose another port: PARLEY_PORT_… (./run --help).",
            )

    def _files(self) -> None:
        for path in (
            self._layout.keys / "master.key",
            self._layout.keys / "directory.key",
            self._layout.credentials,
        ):
            if not path.exists():
                self._skip(path.name, "created by the first ./run start")
                continue
            mode = stat.S_IMODE(path.stat().st_mode)
            good = mode & 0o077 == 0
            self._check(
                good,
                f"{path.name} is private",
                f"mode {mode:o}",
                f"others may read it (mode {mode:o})",
                f"chmod 600 {path}",
            )
            if path.suffix == ".key":
                self._key_ring(path)

    def _key_ring(self, path: Path) -> None:
        good = True
        lines = path.read_text(encoding="utf-8").split()
        for line in lines:
            key_id, _, key = line.partition(":")
            try:
                good &= bool(key_id) and len(base64.b64decode(key, validate=True)) == 32
            except ValueError:
                good = False
        self._check(
            good and bool(lines),
            f"{path.name} holds keys",
            f"{len(lines)}",
            "a line is not <key id>:<32 bytes in base64>",
            "Restore the file from a backup: without it sealed credentials cannot be opened.",
        )

    # --- Settings ---

    def _twilio_settings(self) -> None:
        try:
            mock = flag(self._values, "MOCK_MODE")
            self._pass("MOCK_MODE", "true" if mock else "not set")
        except Problem as problem:
            self._fail("MOCK_MODE", problem.why, problem.remedy)
            self._values.pop("MOCK_MODE")  # Said once; the rest is checked without it.
        sid = self._values.get("TWILIO_ACCOUNT_SID", "")
        token = self._values.get("TWILIO_AUTH_TOKEN", "")
        number = self._values.get("TWILIO_PHONE_NUMBER", "")
        unset = "not set; the simulator is used"
        self._check(
            not sid or re.fullmatch(r"AC[0-9a-f]{32}", sid) is not None,
            "TWILIO_ACCOUNT_SID",
            "set" if sid else unset,
            "it is not AC followed by 32 hexadecimal digits",
            "Copy it from the start page of the Twilio console.",
        )
        self._check(
            bool(sid) == bool(token) and (not token or len(token) == 32),
            "TWILIO_AUTH_TOKEN",
            "set" if token else unset,
            "it is set without the account SID"
            if token and not sid
            else "it is missing"
            if sid and not token
            else "it has not 32 characters",
            "Copy both from the start page of the Twilio console.",
        )
        needed = bool(sid and token) and not self._settings.uses_simulator
        self._check(
            (not number and not needed) or _E164.fullmatch(number) is not None,
            "TWILIO_PHONE_NUMBER",
            "set" if number else unset,
            "it is missing" if not number else "it is no number such as +15005550006",
            "Set it to a number of the account, with + and country code.",
        )

    def _addresses(self) -> None:
        url = self._settings.server_url
        parts = urllib.parse.urlsplit(url)
        shape = parts.scheme in ("http", "https") and parts.hostname and not parts.query
        production = self._values.get("PARLEY_ENV") == "production"
        if not shape:
            self._fail("SERVER_URL", f"{url!r} is no address", "Write https://host.")
        elif production and parts.scheme != "https":
            self._fail(
                "SERVER_URL",
                "it must be https in production",
                "Put TLS in front, and set https://…",
            )
        elif not self._settings.uses_simulator and parts.hostname in ("localhost", "127.0.0.1"):
            self._fail(
                "SERVER_URL",
                f"Twilio cannot reach {url}",
                f"Start a tunnel to port {self._layout.ports.edge} and set SERVER_URL to its "
                "https address.",
            )
        else:
            self._pass("SERVER_URL", url)
        base = self._values.get("TWILIO_API_BASE_URL")
        parts = urllib.parse.urlsplit(base or "https://api.twilio.com")
        self._check(
            parts.scheme in ("http", "https") and bool(parts.hostname),
            "TWILIO_API_BASE_URL",
            base or "not set",
            f"{base!r} is no address",
            "Leave it out, or write https://host.",
        )

    def _ai_settings(self) -> None:
        try:
            enabled = flag(self._values, "AI_RESPONSES_ENABLED", self._settings.uses_simulator)
            self._pass("AI_RESPONSES_ENABLED", "true" if enabled else "false")
        except Problem as problem:
            self._fail("AI_RESPONSES_ENABLED", problem.why, problem.remedy)
        delay = self._values.get("AI_RESPONSE_DELAY", "2000")
        self._check(
            re.fullmatch(r"\d{1,7}(ms|s)?", delay) is not None,
            "AI_RESPONSE_DELAY",
            f"{delay} ms" if delay.isdigit() else delay,
            f"{delay!r} is no number of milliseconds",
            "Set it to 2000, say.",
        )
        provider = self._values.get("AI_PROVIDER", "mock")
        self._check(
            provider in ("mock", "openai"),
            "AI_PROVIDER",
            provider,
            f"{provider!r} is unknown",
            "Set it to mock or openai.",
        )
        if provider == "openai":
            url = self._values.get("PARLEY_AI_BASE_URL", "https://api.openai.com/v1")
            self._check(
                urllib.parse.urlsplit(url).scheme in ("http", "https"),
                "PARLEY_AI_BASE_URL",
                url,
                f"{url!r} is no address",
                "Set it to the endpoint's address without /chat/completions.",
            )
            self._check(
                bool(self._values.get("PARLEY_AI_KEY")) or "PARLEY_AI_BASE_URL" in self._values,
                "PARLEY_AI_KEY",
                "set" if self._values.get("PARLEY_AI_KEY") else "not set; the endpoint needs none",
                "it is missing",
                "Set it to a key of the AI provider, or set AI_PROVIDER=mock.",
            )

    # --- Kafka, PostgreSQL, Redis ---

    def _to_check(self, name: str) -> bool:
        """Whether a component runs, or was given by the user; else it is reported and left out."""
        if self._runs(name) or (name in INFRA and self._settings.external(name)):
            return True
        self._skip(name, "stopped, not checked")
        return False

    def _ready(self, name: str) -> bool:
        answer = self._installation.readiness(name)
        return self._check(
            answer.ready,
            name,
            f"answers at {self._installation.address(name)}",
            answer.reason,
            f"See ./run logs {name}; ./run restart {name} starts it anew.",
        )

    def _kafka(self) -> None:
        if not self._to_check("kafka") or not self._ready("kafka"):
            return
        external = self._settings.external("kafka")
        host, port = (
            host_and_port(external, 9092)
            if external
            else (
                "127.0.0.1",
                self._layout.ports.kafka,
            )
        )
        topics = port_tools.kafka_topics(host, port)
        missing = [topic for topic in _TOPICS if topic not in topics]
        self._check(
            not missing,
            "Topics",
            f"{len(_TOPICS)} of {len(_TOPICS)}",
            f"missing: {', '.join(missing)}",
            "./run start creates them.",
        )

    def _postgres(self) -> None:
        if not self._to_check("postgres") or not self._ready("postgres"):
            return
        url = self._settings.for_services()["PARLEY_DATABASE_URL"]
        superuser = infra.query(url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        self._check(
            superuser == "f",
            "The database login",
            "no superuser",
            "it is a superuser, whom row-level security does not hold",
            "Use a login with CREATEROLE that owns the database.",
        )
        for service in ("gateway", "sender"):
            self._migrations(url, service)

    def _migrations(self, url: str, service: str) -> None:
        folder = self._layout.checkout / "services" / service / "migrations"
        wanted = len(list(folder.glob("*.sql")))
        try:
            applied = int(infra.query(url, f"SELECT count(*) FROM {service}.schema_migrations"))
        except Problem as problem:
            self._fail(f"Tables of {service}", problem.why, "./run start creates them.")
            return
        self._check(
            applied >= wanted,
            f"Tables of {service}",
            f"{applied} migrations applied",
            f"{applied} of {wanted} migrations are applied",
            "./run start applies the rest.",
        )

    def _redis(self) -> None:
        if self._to_check("redis"):
            self._ready("redis")

    # --- Services ---

    def _services(self) -> None:
        for name in (*SERVICES, "edge"):
            if self._to_check(name):
                self._ready(name)

    def _routes(self) -> None:
        """The edge reaches the services behind it."""
        if not self._runs("edge"):
            return
        base = f"http://127.0.0.1:{self._layout.ports.edge}"
        for service, path in (
            ("gateway", "/api/health"),
            ("webhook-ingest", "/api/webhooks/health"),
        ):
            if not self._runs(service):
                continue
            answer = _get(base + path)
            self._check(
                answer.status == 200,
                f"Edge to {service}",
                path,
                answer.error or f"{path} answers {answer.status}",
                f"See ./run logs edge and ./run logs {service}.",
            )

    # --- Twilio ---

    def _twilio(self) -> None:
        if self._settings.uses_simulator and not self._to_check("twilio-simulator"):
            return
        if self._settings.uses_simulator:
            self._ready("twilio-simulator")
            if not (self._layout.keys / "simulator.token").exists():
                return
        sid, token, number = self._settings.twilio_account
        account = self._call(f"/2010-04-01/Accounts/{sid}.json", sid, token)
        if account.body.get("code") == 20008:
            self._pass("Credentials", "Twilio's test credentials: nothing is really sent")
            return
        if account.status != 200:
            why, remedy = _account_trouble(account, self._settings.twilio_url)
            self._fail("Credentials", why, remedy)
            return
        self._pass("Credentials", f"Twilio accepts them ({account.body.get('friendly_name')})")
        state = account.body.get("status")
        self._check(
            state == "active",
            "Account",
            "active, trial: sends to verified numbers only, and puts a sentence before each text"
            if account.body.get("type") == "Trial"
            else "active",
            f"it is {state}",
            "Ask Twilio why in the console; a suspended account sends nothing.",
        )
        self._balance(sid, token)
        if number:
            self._number(sid, token, number)

    def _call(self, path: str, sid: str, token: str) -> Answer:
        basic = base64.b64encode(f"{sid}:{token}".encode()).decode()
        return _get(self._settings.twilio_url + path, {"Authorization": f"Basic {basic}"})

    def _balance(self, sid: str, token: str) -> None:
        answer = self._call(f"/2010-04-01/Accounts/{sid}/Balance.json", sid, token)
        if answer.status != 200:
            self._skip("Balance", "not shown for this account (a subaccount has none of its own)")
            return
        balance = float(answer.body.get("balance", "0"))
        currency = answer.body.get("currency", "")
        self._check(
            balance > 0,
            "Balance",
            f"{balance:.2f} {currency}" + (", little" if balance < 5 else ""),
            f"{balance:.2f} {currency}",
            "Add money in the Twilio console, under Billing.",
        )

    def _number(self, sid: str, token: str, number: str) -> None:
        query = urllib.parse.urlencode({"PhoneNumber": number})
        path = f"/2010-04-01/Accounts/{sid}/IncomingPhoneNumbers.json?{query}"
        answer = self._call(path, sid, token)
        found = [
            entry
            for entry in answer.body.get("incoming_phone_numbers", [])
            if entry.get("phone_number") == number
        ]
        if not self._check(
            bool(found),
            "Phone number",
            "belongs to the account",
            answer.error or "TWILIO_PHONE_NUMBER does not belong to the account",
            "Set TWILIO_PHONE_NUMBER to one of the account's numbers.",
        ):
            return
        can = found[0].get("capabilities", {})
        names = [name for name in ("sms", "mms", "voice") if can.get(name)]
        self._check(
            bool(can.get("sms")),
            "What it can",
            ", ".join(names),
            "it cannot send SMS",
            "Choose a number with SMS in the Twilio console.",
        )
        for kind in ("sms", "voice"):
            if can.get(kind):
                self._webhook(kind, found[0].get(f"{kind}_url") or "")

    def _public_url(self) -> str:
        """Where the number's webhooks go: the channel's address, the account's, or SERVER_URL."""
        try:
            known = json.loads(self._layout.credentials.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return self._settings.server_url
        bearer = {"Authorization": f"Bearer {known.get('api_key')}"}
        of_channel = f"/v1/channels/{known.get('channel_id')}"
        for path in (of_channel, f"/v1/twilioAccounts/{known.get('account_sid')}"):
            url = _get(f"{known.get('http')}{path}", bearer).body.get("publicUrl")
            if url:
                return url
        return self._settings.server_url

    def _webhook(self, kind: str, url: str) -> None:
        ours = urllib.parse.urlsplit(self._public_url())
        theirs = urllib.parse.urlsplit(url)
        same = (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc)
        path = theirs.path.startswith(("/webhooks/", "/api/webhooks/"))
        self._check(
            same and path,
            f"Webhook for {kind}",
            theirs.path,
            f"it points to {theirs.netloc or 'nowhere'}{theirs.path}, not to {ours.netloc}",
            "./run start sets it; or set it in the Twilio console.",
        )


def _account_trouble(answer: Answer, url: str) -> tuple[str, str]:
    if answer.status == 401:
        return (
            "Twilio refuses them (20003)",
            "Copy TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN anew from the Twilio console.",
        )
    if answer.status == 0:
        return f"{url} cannot be reached ({answer.error})", "Check the network connection."
    return (
        f"Twilio answers {answer.status}: {answer.body.get('message', '')}",
        "Look up the code in Twilio's error catalogue.",
    )


def _get(url: str, headers: dict[str, str] | None = None) -> Answer:
    host = urllib.parse.urlsplit(url).hostname
    # A proxy is for the world outside, never for this machine.
    local = [urllib.request.ProxyHandler({})] if host in ("127.0.0.1", "localhost") else []
    try:
        request = urllib.request.Request(url, headers=headers or {})
        with urllib.request.build_opener(*local).open(
            request, timeout=_TWILIO_SECONDS_MAX
        ) as answer:
            return Answer(answer.status, _json(answer.read(1 << 20)))
    except urllib.error.HTTPError as error:
        return Answer(error.code, _json(error.read(1 << 20)))
    except (OSError, ValueError) as error:
        return Answer(0, {}, str(getattr(error, "reason", error)))


def _json(data: bytes) -> dict:
    try:
        value = json.loads(data)
        return value if isinstance(value, dict) else {}
    except ValueError:
        return {}
