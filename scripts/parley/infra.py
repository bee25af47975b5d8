"""Kafka, PostgreSQL and Redis under an installation's own folder."""

import dataclasses
import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from parley import ports as port_tools
from parley.layout import Layout, Ports, write_atomically
from parley.problem import Problem, explain
from parley.supervise import Spec, Supervisor

# The database's owner: what PARLEY_DATABASE_URL logs in as.
DATABASE_ROLE = "parley"
DATABASE = "parley"
_PLAIN_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}


def version_of(*parts: str) -> str:
    """A short fingerprint: a component is restarted when it changes."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


# --- Kafka ---------------------------------------------------------------------------------


def _java() -> str:
    for candidate in sorted(Path("/usr/lib/jvm").glob("java-1.17.0-openjdk-*/bin/java")):
        return str(candidate)
    found = shutil.which("java")
    if found is None:
        raise Problem("Kafka cannot start", "Java is missing", "Install openjdk-17-jre-headless")
    return found


def _kafka_properties(layout: Layout) -> str:
    ports = layout.ports
    return f"""\
# Written by ./run: one broker that is its own controller.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{ports.kafka_controller}
listeners=PLAINTEXT://127.0.0.1:{ports.kafka},CONTROLLER://127.0.0.1:{ports.kafka_controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{ports.kafka}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={layout.data / "kafka"}
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# A restarted consumer gets its partitions at once, a killed one loses them soon.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# Small machine: few threads, each wake-up of another costs, and a cleaner that fits the heap.
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=8388608
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
# After kill -9 the old registration must run out before the new one counts.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


_KAFKA_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""


def _kafka_archive(layout: Layout) -> Path:
    return layout.tools / "kafka" / "classes.jsa"


def make_kafka_archive(layout: Layout) -> None:
    """Runs Kafka once, so that Java can note the classes it loads: later starts take half the
    time. Nothing depends on it, so a failure is passed over."""
    archive = _kafka_archive(layout)
    new = archive.with_suffix(".new")
    with tempfile.TemporaryDirectory(dir=layout.tools) as folder:
        scratch = dataclasses.replace(layout, data=Path(folder), ports=Ports.free(), throwaway=True)
        scratch.make_folders()
        spec = prepare_kafka(scratch)
        command = [spec.command[0], f"-XX:ArchiveClassesAtExit={new}", *spec.command[1:]]
        with (
            open(spec.log, "ab") as log,
            subprocess.Popen(command, stdout=log, stderr=log, env=spec.environment) as process,
        ):
            try:
                wait_until(lambda: kafka_ready(scratch) or process.poll() is not None, 60.0)
                process.terminate()
                process.wait(60.0)
            except subprocess.TimeoutExpired:
                return
            finally:
                process.kill()
    if new.exists():
        new.rename(archive)


def prepare_kafka(layout: Layout) -> Spec:
    """Writes Kafka's configuration, formats its storage once, and says how to run it."""
    libs = layout.tools / "kafka" / "libs"
    properties = layout.config / "kafka.properties"
    logging = layout.config / "kafka-log4j2.properties"
    text = _kafka_properties(layout)
    write_atomically(properties, text)
    write_atomically(logging, _KAFKA_LOGGING)
    archive = _kafka_archive(layout)
    java = [
        _java(),
        "-Xms288m",
        "-Xmx512m",
        "-XX:+UseParallelGC",
        # A pause takes some 15 ms however much is thrown away: rather seldom than short.
        "-Xmn224m",
        *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else []),
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={logging}",
        "-cp",
        f"{libs}/*",
    ]
    storage = layout.data / "kafka"
    if not (storage / "meta.properties").exists():
        storage.mkdir(parents=True, exist_ok=True)
        cluster = uuid.uuid4().hex[:22]
        command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
        _check(command, "Kafka's storage cannot be formatted")
    return Spec(
        name="kafka",
        command=[*java, "kafka.Kafka", str(properties)],
        environment=_PLAIN_ENVIRONMENT,
        log=str(layout.log / "kafka.log"),
        folder=str(layout.data),
        version=version_of(text, _KAFKA_LOGGING),
    )


def kafka_ready(layout: Layout) -> bool:
    try:
        port_tools.kafka_topics("127.0.0.1", layout.ports.kafka)
        return True
    except (OSError, ValueError):
        return False


# --- PostgreSQL ----------------------------------------------------------------------------


def postgres_bin() -> Path:
    """Debian keeps PostgreSQL's programs outside PATH, one folder per version."""
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3])
    )
    if not versions:
        raise Problem(
            "PostgreSQL cannot start", "it is not installed", "Install the package postgresql"
        )
    return versions[-1].parent


def postgres_user() -> str:
    """PostgreSQL refuses to run as root; then it runs as Debian's user for it."""
    if os.getuid() != 0:
        return ""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Problem(
            "PostgreSQL cannot start",
            "it refuses to run as root, and the user postgres does not exist",
            "Install the package postgresql, which creates it",
        ) from None


def _can_reach(user: str, folder: Path) -> bool:
    """Whether `user` may enter every folder on the way to `folder`."""
    account = pwd.getpwnam(user)
    for step in [*reversed(folder.parents), folder]:
        if not step.exists():
            continue
        facts = step.stat()
        bit = 0o001
        if facts.st_uid == account.pw_uid:
            bit = 0o100
        elif facts.st_gid == account.pw_gid:
            bit = 0o010
        if not facts.st_mode & bit:
            return False
    return True


def postgres_folder(layout: Layout) -> Path:
    """Where the database's files lie: in the installation's folder, unless PostgreSQL's user
    cannot enter it (a checkout in /root, say); then under /var/lib."""
    user = postgres_user()
    if not user or _can_reach(user, layout.data):
        return layout.data / "postgres"
    name = hashlib.sha256(str(layout.data).encode()).hexdigest()[:12]
    return Path("/var/lib/parley") / name / "postgres"


def _postgres_settings(layout: Layout, folder: Path) -> str:
    # A Unix socket's path has room for 107 bytes.
    socket_folder = str(folder) if len(str(folder)) < 80 else ""
    text = f"""\
# Written by ./run.
listen_addresses = '127.0.0.1'
port = {layout.ports.postgres}
unix_socket_directories = '{socket_folder}'
max_connections = 200
shared_buffers = 256MB
effective_cache_size = 1GB
work_mem = 8MB
maintenance_work_mem = 64MB
wal_buffers = 16MB
max_wal_size = 2GB
checkpoint_timeout = 15min
checkpoint_completion_target = 0.9
random_page_cost = 1.1
synchronous_commit = on
jit = off
log_min_messages = warning
log_line_prefix = '%m [%p] %u@%d '
log_statement = none
# Message text must not reach a log, not even as the value of a failed statement.
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
timezone = 'UTC'
"""
    if layout.throwaway:
        text += "fsync = off\nfull_page_writes = off\n"
    return text


def prepare_postgres(layout: Layout, note=lambda text: None) -> Spec:
    """Creates the database cluster once, writes its settings, and says how to run it."""
    user = postgres_user()
    folder = postgres_folder(layout)
    if folder.parent != layout.data:
        note(f"PostgreSQL's user cannot enter {layout.data}, so its data is in {folder}")
    programs = postgres_bin()
    if not (folder / "PG_VERSION").exists():
        # Created aside and renamed, so that an interrupted start leaves no half of it.
        new = folder.with_name("postgres.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True, mode=0o700)
        if user:
            shutil.chown(new, user, user)
            if folder.parent != layout.data:
                for step in (folder.parent, folder.parent.parent):
                    step.chmod(0o755)
        command = [
            str(programs / "initdb"),
            "--pgdata=.",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]
        if layout.throwaway:
            command.append("--no-sync")
        _check(command, "PostgreSQL's data folder cannot be created", user=user, folder=new)
        os.rename(new, folder)
    version = (folder / "PG_VERSION").read_text(encoding="ascii").strip()
    if not (Path("/usr/lib/postgresql") / version / "bin" / "postgres").exists():
        raise Problem(
            "PostgreSQL cannot start",
            f"its data is of version {version}, and that version is not installed",
            f"Install postgresql-{version}, or give the data up with ./run reset",
        )
    programs = Path("/usr/lib/postgresql") / version / "bin"
    settings = _postgres_settings(layout, folder)
    write_atomically(folder / "parley.conf", settings)
    main = folder / "postgresql.conf"
    if "parley.conf" not in main.read_text(encoding="utf-8"):
        with open(main, "a", encoding="utf-8") as file:
            file.write("\ninclude 'parley.conf'\n")
    return Spec(
        name="postgres",
        command=[str(programs / "postgres"), "-D", str(folder)],
        environment=_PLAIN_ENVIRONMENT,
        log=str(layout.log / "postgres.log"),
        user=user,
        folder=str(folder),
        stop_signal=int(signal.SIGINT),  # The fast shutdown: it does not wait for clients.
        version=version_of(settings, version),
    )


def postgres_ready(layout: Layout) -> bool:
    done = subprocess.run(
        [postgres_bin() / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(layout.ports.postgres)],
        check=False,
    )
    return done.returncode == 0


def database_url(layout: Layout, database: str = DATABASE) -> str:
    return f"postgresql://{DATABASE_ROLE}@127.0.0.1:{layout.ports.postgres}/{database}"


def query(url: str, statement: str, timeout_s: float = 10.0) -> str:
    """Runs SQL by psql and returns its unaligned output. Raises Problem with psql's reason."""
    try:
        done = subprocess.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", statement],
            env={**_PLAIN_ENVIRONMENT, "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise Problem("psql is missing", "", "Install the package postgresql") from None
    except subprocess.TimeoutExpired:
        raise Problem("PostgreSQL does not answer", f"no answer within {timeout_s:.0f} s") from None
    if done.returncode != 0:
        raise Problem("PostgreSQL refused", done.stderr.strip().replace("\n", "; "))
    return done.stdout.strip()


def create_database(layout: Layout, database: str = DATABASE, extra_rights: str = "") -> None:
    """Creates the login and a database that it owns, where they are missing."""
    admin = f"postgresql://postgres@127.0.0.1:{layout.ports.postgres}/postgres"
    known = query(
        admin,
        "SELECT (SELECT count(*) FROM pg_roles WHERE rolname = "
        f"'{DATABASE_ROLE}') || ' ' || (SELECT count(*) FROM pg_database WHERE datname = "
        f"'{database}')",
    ).split()
    if known[0] == "0":
        query(admin, f"CREATE ROLE {DATABASE_ROLE} LOGIN NOSUPERUSER CREATEROLE {extra_rights}")
    if known[1] == "0":
        query(admin, f'CREATE DATABASE "{database}" OWNER {DATABASE_ROLE}', timeout_s=60.0)


# --- Redis ---------------------------------------------------------------------------------


def prepare_redis(layout: Layout) -> Spec:
    """Writes Redis's configuration: nothing is ever the only copy there, so nothing is kept."""
    folder = layout.data / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    text = f"""\
# Written by ./run.
bind 127.0.0.1
port {layout.ports.redis}
dir {folder}
save ""
appendonly no
daemonize no
maxmemory 256mb
maxmemory-policy volatile-lru
tcp-backlog 128
"""
    path = layout.config / "redis.conf"
    write_atomically(path, text)
    return Spec(
        name="redis",
        command=[shutil.which("redis-server") or "/usr/bin/redis-server", str(path)],
        environment=_PLAIN_ENVIRONMENT,
        log=str(layout.log / "redis.log"),
        folder=str(folder),
        version=version_of(text),
    )


def redis_ready(layout: Layout) -> bool:
    return port_tools.redis_answers("127.0.0.1", layout.ports.redis)


# -------------------------------------------------------------------------------------------


def environment_of(layout: Layout, database: str = DATABASE) -> dict[str, str]:
    """The settings by which services find what this module starts."""
    return {
        "PARLEY_KAFKA_BROKERS": f"127.0.0.1:{layout.ports.kafka}",
        "PARLEY_DATABASE_URL": database_url(layout, database),
        "PARLEY_REDIS_URL": f"redis://127.0.0.1:{layout.ports.redis}",
    }


def start(layout: Layout, supervisor: Supervisor) -> None:
    """Starts the three alone, without services, and returns when they are ready."""
    ready = {"redis": redis_ready, "postgres": postgres_ready, "kafka": kafka_ready}
    supervisor.ensure()
    for prepare in (prepare_redis, prepare_postgres, prepare_kafka):
        supervisor.start(prepare(layout))
    for name, is_ready in ready.items():
        if not wait_until(lambda is_ready=is_ready: is_ready(layout), timeout_s=60.0):
            raise Problem(f"{name} did not start", f"see {layout.log / name}.log")


def wait_until(condition, timeout_s: float, step_s: float = 0.05) -> bool:
    """Polls `condition` until it holds; false if it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(step_s)
    return True


def _check(command: list[str], what: str, user: str = "", folder: Path | None = None) -> None:
    as_user: dict = {"user": user, "group": user, "extra_groups": []} if user else {}
    done = subprocess.run(
        command,
        cwd=folder,
        env=_PLAIN_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **as_user,
    )
    if done.returncode != 0:
        output = done.stdout + done.stderr
        why, remedy = explain(output, Path(command[0]).name, "Run ./run doctor")
        raise Problem(what, why, remedy, "\n".join(output.strip().splitlines()[-8:]))
