"""Where one installation lives: its folders and its ports.

./run uses the checkout's .local and the ports below; ./test makes a layout of
its own under .local/test with free ports, so that both can run at the same time.
"""

import dataclasses
import os
from pathlib import Path

from parley import ports as port_tools
from parley.problem import Problem

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Ports:
    """The TCP ports of one installation, all on 127.0.0.1."""

    edge: int = 8080
    live: int = 8081
    ingest: int = 8082
    simulator: int = 8083
    http: int = 8084
    grpc: int = 9090
    gateway_admin: int = 9100
    ingest_admin: int = 9101
    ai_admin: int = 9102
    sender_admin: int = 9103
    kafka: int = 19092
    kafka_controller: int = 19093
    postgres: int = 15432
    redis: int = 16379

    @classmethod
    def from_environment(cls, environment) -> "Ports":
        """The standard ports, each replaceable by PARLEY_PORT_NAME."""
        chosen = {}
        for field in dataclasses.fields(cls):
            name = f"PARLEY_PORT_{field.name.upper()}"
            text = environment.get(name)
            if text is None:
                continue
            if not text.isdigit() or not 1 <= int(text) <= 65535:
                raise Problem(f"{name} is not a port", f"{text!r} is no number from 1 to 65535")
            chosen[field.name] = int(text)
        return cls(**chosen)

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on now, below the range of outgoing connections."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**dict(zip(names, port_tools.free_ports(len(names)))))


@dataclasses.dataclass(frozen=True)
class Layout:
    """Folders and ports of one installation."""

    data: Path
    ports: Ports
    checkout: Path = CHECKOUT
    tools: Path = CHECKOUT / ".local" / "tools"
    build: Path = CHECKOUT / "build" / "release"
    web_root: Path = CHECKOUT / "web" / "dist"
    # Leaves out the waits for the disk: right for tests, which kill processes
    # but never cut the power.
    throwaway: bool = False

    @classmethod
    def standard(cls) -> "Layout":
        data = Path(os.environ.get("PARLEY_LOCAL_DIR") or CHECKOUT / ".local").resolve()
        return cls(data=data, ports=Ports.from_environment(os.environ))

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def keys(self) -> Path:
        return self.data / "keys"

    @property
    def config(self) -> Path:
        return self.data / "config"

    @property
    def credentials(self) -> Path:
        return self.data / "credentials.json"

    def binary(self, name: str) -> Path:
        return self.build / "bin" / name

    def make_folders(self) -> None:
        try:
            for folder in (self.data, self.run, self.log, self.config):
                folder.mkdir(parents=True, exist_ok=True)
            self.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.run.chmod(0o755)
        except OSError as error:
            raise Problem(
                f"Cannot create {error.filename}",
                error.strerror or str(error),
                "Make the folder writable, or free space on the disk",
            ) from error


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replaces a file in one step: readers see the old text or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(temporary, mode)
    os.replace(temporary, path)
