"""The components of an installation: how each is run, and when it is ready."""

import base64
import json
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass

from parley import edge, infra
from parley import ports as port_tools
from parley.layout import Layout, write_atomically
from parley.problem import Problem
from parley.settings import SIMULATOR_PHONE_NUMBER, Settings, host_and_port
from parley.supervise import Spec

INFRA = ("kafka", "postgres", "redis")
SERVICES = ("gateway", "webhook-ingest", "ai-responder", "sender")
COMPONENTS = (*INFRA, "edge", *SERVICES, "twilio-simulator")
# Groups that are stopped one after the other: nobody loses what it still needs.
STOP_ORDER = (("edge",), SERVICES, ("twilio-simulator",), INFRA)


@dataclass(frozen=True)
class Readiness:
    """Whether a component can do its work, and if not, why."""

    ready: bool
    reason: str = ""


class Installation:
    """One installation's components."""

    def __init__(self, layout: Layout, settings: Settings):
        self.layout = layout
        self.settings = settings

    def is_ours(self, name: str) -> bool:
        """Whether this installation runs the component (else the user gave its address, or the
        real Twilio is used)."""
        if name == "twilio-simulator":
            return self.settings.uses_simulator
        return not self.settings.external(name)

    def ours(self) -> list[str]:
        return [name for name in COMPONENTS if self.is_ours(name)]

    # --- Addresses ---

    def ports_of(self, name: str) -> list[int]:
        ports = self.layout.ports
        return {
            "kafka": [ports.kafka, ports.kafka_controller],
            "postgres": [ports.postgres],
            "redis": [ports.redis],
            "edge": [ports.edge],
            "gateway": [ports.http, ports.live, ports.grpc, ports.gateway_admin],
            "webhook-ingest": [ports.ingest, ports.ingest_admin],
            "ai-responder": [ports.ai_admin],
            "sender": [ports.sender_admin],
            "twilio-simulator": [ports.simulator],
        }[name]

    def admin_port(self, name: str) -> int:
        return self.ports_of(name)[-1]

    def base_urls(self) -> dict[str, str]:
        """The addresses in .local/credentials.json, for people and for tests."""
        ports = self.layout.ports
        return {
            "public": self.settings.server_url,
            "http": f"http://127.0.0.1:{ports.http}",
            "live": f"http://127.0.0.1:{ports.live}",
            "grpc": f"http://127.0.0.1:{ports.grpc}",
            "webhooks": f"http://127.0.0.1:{ports.ingest}",
            "twilio": self.settings.twilio_url,
        }

    def address(self, name: str) -> str:
        external = self.settings.external(name)
        if external:
            host, port = host_and_port(external, self.ports_of(name)[0])
            return f"{host}:{port}"  # Never the URL: it may hold a password.
        port = self.ports_of(name)[0]
        if name in ("edge", "twilio-simulator"):
            return f"http://127.0.0.1:{port}"
        return f"127.0.0.1:{port}"

    # --- Keys and environment ---

    def make_keys(self) -> None:
        """Creates the key rings on the first start: lines `<key id>:<32 bytes, base64>`."""
        for name in ("master", "directory"):
            path = self.layout.keys / f"{name}.key"
            if not path.exists():
                key = base64.b64encode(secrets.token_bytes(32)).decode()
                write_atomically(path, f"k1:{key}\n", mode=0o600)

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a service: settings, and what only this one is told."""
        ports = self.layout.ports
        keys = self.layout.keys
        result = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PARLEY_DIRECTORY_KEY_FILE": str(keys / "directory.key"),
            **self.settings.for_services(),
            "PARLEY_ADMIN_PORT": str(self.admin_port(name)),
        }
        if name == "gateway":
            result |= {
                "PARLEY_HTTP_PORT": str(ports.http),
                "PARLEY_LIVE_PORT": str(ports.live),
                "PARLEY_GRPC_PORT": str(ports.grpc),
                "PARLEY_WEB_ROOT": str(self.layout.web_root),
            }
            result.setdefault("PARLEY_MASTER_KEY_FILE", str(keys / "master.key"))
        elif name == "webhook-ingest":
            folder = self.layout.data / "webhook-ingest"
            folder.mkdir(exist_ok=True)
            result |= {"PARLEY_HTTP_PORT": str(ports.ingest), "PARLEY_DATA_DIR": str(folder)}
        if name != "gateway":
            result.pop("PARLEY_MASTER_KEY_FILE", None)
        return result

    # --- Running ---

    def prepare(self, name: str, note=lambda text: None) -> Spec:
        """Writes what the component needs on disk, and says how to run it."""
        if name == "kafka":
            return infra.prepare_kafka(self.layout)
        if name == "postgres":
            return infra.prepare_postgres(self.layout, note)
        if name == "redis":
            return infra.prepare_redis(self.layout)
        if name == "edge":
            return edge.prepare(self.layout)
        if name == "twilio-simulator":
            return self._simulator()
        return self._spec(name, [], self.environment(name))

    def _simulator(self) -> Spec:
        sid, token, number = self.settings.twilio_account
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            **({"SIMULATOR_NUMBERS": number} if number != SIMULATOR_PHONE_NUMBER else {}),
            # Its numbers' webhooks and its opt-outs outlive a restart.
            "SIMULATOR_STATE_FILE": str(self.layout.data / "simulator.json"),
            **{k: v for k, v in self.settings.values.items() if k.startswith("SIMULATOR_")},
            "SIMULATOR_ACCOUNT_SID": sid,
            "SIMULATOR_AUTH_TOKEN": token,
            "SIMULATOR_PORT": str(self.layout.ports.simulator),
            "SIMULATOR_BIND_ADDRESS": "127.0.0.1",
        }
        return self._spec("twilio-simulator", [], environment)

    def _spec(self, name: str, arguments: list[str], environment: dict[str, str]) -> Spec:
        binary = self.layout.binary(name)
        if not binary.exists():
            raise Problem(
                f"{name} cannot start", f"{binary} is missing", "Build it with ./run start"
            )
        facts = binary.stat()
        return Spec(
            name=name,
            command=[str(binary), *arguments],
            environment=environment,
            log=str(self.layout.log / f"{name}.log"),
            folder=str(self.layout.data),
            version=infra.version_of(str(facts.st_mtime_ns), str(facts.st_size)),
        )

    def run_once(self, name: str, arguments: list[str], what: str) -> str:
        """Runs a service's command that ends by itself (migrate, bootstrap): its output."""
        binary = self.layout.binary(name)
        if not binary.exists():
            raise Problem(what, f"{binary} is missing", "Build it with ./run start")
        try:
            done = subprocess.run(
                [str(binary), *arguments],
                env=self.environment(name),
                cwd=self.layout.data,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Problem(
                what, f"{name} {arguments[0]} took longer than two minutes", "Run ./run doctor"
            ) from None
        with open(self.layout.log / f"{name}-{arguments[0]}.log", "a", encoding="utf-8") as log:
            log.write(done.stderr)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()[-8:]
            raise Problem(
                what,
                f"`{name} {arguments[0]}` failed",
                "Run ./run doctor",
                "\n".join(line[:400] for line in lines),
            )
        return done.stdout

    def bootstrap(self) -> dict[str, str]:
        """Creates the first organization and writes .local/credentials.json."""
        what = "The first organization could not be created"
        path = self.layout.credentials
        output = self.run_once("gateway", ["bootstrap", "--credentials", str(path)], what)
        try:
            credentials = json.loads(output)
        except ValueError:
            raise Problem(what, "gateway bootstrap printed no JSON") from None
        credentials.update(self.base_urls())
        write_atomically(path, json.dumps(credentials, indent=2) + "\n", mode=0o600)
        return credentials

    # --- Readiness ---

    def readiness(self, name: str) -> Readiness:
        if name in INFRA:
            return self._infra_readiness(name)
        if name == "edge":
            port = self.layout.ports.edge
            if port_tools.accepts(port):
                return Readiness(True)
            return Readiness(False, f"nothing listens on port {port}")
        if name == "twilio-simulator":
            port = self.layout.ports.simulator
            return _http_readiness(f"http://127.0.0.1:{port}/simulator/v1/health")
        return _http_readiness(f"http://127.0.0.1:{self.admin_port(name)}/readyz")

    def _infra_readiness(self, name: str) -> Readiness:
        external = self.settings.external(name)
        host, port = "127.0.0.1", self.ports_of(name)[0]
        if external:
            host, port = host_and_port(external, {"kafka": 9092, "postgres": 5432}.get(name, 6379))
        try:
            if name == "kafka":
                port_tools.kafka_topics(host, port)
            elif name == "redis" and not port_tools.redis_answers(host, port):
                return Readiness(False, f"Redis does not answer at {host}:{port}")
            elif name == "postgres" and external:
                infra.query(external, "SELECT 1", 6)
            elif name == "postgres" and not infra.postgres_ready(self.layout):
                return Readiness(False, f"PostgreSQL does not answer at {host}:{port}")
        except (OSError, ValueError) as error:
            return Readiness(False, f"no answer at {host}:{port} ({error})")
        except Problem as problem:
            return Readiness(False, str(problem))
        return Readiness(True)


def _http_readiness(url: str) -> Readiness:
    """Asks a health address; the JSON of a 503 says what is missing."""
    request = urllib.request.Request(url, headers={"Connection": "close"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=3) as answer:
            answer.read()
        return Readiness(True)
    except urllib.error.HTTPError as error:
        text = error.read(4096).decode("utf-8", "replace").strip()
        return Readiness(False, f"it answers {error.code}: {_failed_checks(text)}")
    except (OSError, ValueError) as error:
        return Readiness(False, f"no answer from {url} ({error})")


def _failed_checks(text: str) -> str:
    """The names (and words) of the checks that fail in a /readyz answer."""
    try:
        checks = json.loads(text)["checks"]
        failed = [
            f"{name}: {value}" for name, value in checks.items() if str(value).lower() != "ok"
        ]
        return "; ".join(failed) or text
    except (ValueError, KeyError, TypeError, AttributeError):
        return text[:200]


def last_lines(layout: Layout, name: str, count: int = 12) -> str:
    """The end of a component's log."""
    try:
        with open(layout.log / f"{name}.log", "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 16384))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(line[:300] for line in text.splitlines()[-count:])


def remove_data(layout: Layout) -> None:
    """Deletes what an installation stored; tools, build and settings.env stay."""
    postgres = infra.postgres_folder(layout)
    if postgres.parent != layout.data:
        shutil.rmtree(postgres.parent, ignore_errors=True)
    for name in ("kafka", "postgres", "postgres.new", "redis", "edge", "webhook-ingest", "keys"):
        shutil.rmtree(layout.data / name, ignore_errors=True)
    for name in ("run", "log", "config"):
        shutil.rmtree(layout.data / name, ignore_errors=True)
    for file in (layout.credentials, layout.data / "simulator.json"):
        file.unlink(missing_ok=True)
