"""Which ports are free, and who holds the others."""

import os
import random
import socket
import struct
from pathlib import Path

# Outgoing connections take their ports from 32768 up (Linux's default), so a
# port below cannot be taken by one between our check and our server's bind.
FREE_RANGE = range(20000, 32000)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:port and on 0.0.0.0:port."""
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return False
    return True


def free_ports(count: int) -> list[int]:
    """`count` different ports that are free now."""
    found: list[int] = []
    for port in random.sample(FREE_RANGE, len(FREE_RANGE)):
        if is_free(port):
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"fewer than {count} free ports from {FREE_RANGE.start} to {FREE_RANGE.stop}")


def _listening_inode(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            columns = row.split()
            if columns[3] == "0A" and int(columns[1].rsplit(":", 1)[1], 16) == port:
                return columns[9]
    return None


def holder(port: int) -> str:
    """A description of the process that listens on `port`: "nginx (process 12)"."""
    inode = _listening_inode(port)
    if inode is None:
        return "an unknown process"
    target = f"socket:[{inode}]"
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            for descriptor in (process / "fd").iterdir():
                if os.readlink(descriptor) == target:
                    name = (process / "comm").read_text(encoding="utf-8").strip()
                    return f"{name} (process {process.name})"
        except OSError:
            continue
    return "a process of another user"


def accepts(port: int, host: str = "127.0.0.1", timeout_s: float = 1.0) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def redis_answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether a Redis server answers PING (one that wants a password counts)."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError:
        return False
    return answer.startswith((b"+PONG", b"-NOAUTH"))


def kafka_topics(host: str, port: int, timeout_s: float = 2.0) -> dict[str, int]:
    """The topics of a Kafka broker and their partition counts (Metadata v1).

    Raises OSError or ValueError when the broker does not answer properly.
    """
    client = b"parley-run"
    body = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", -1)
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = _KafkaAnswer(_receive(connection, struct.unpack(">i", _receive(connection, 4))[0]))
    answer.integer(4)  # Correlation id.
    brokers = answer.integer(4)
    for _ in range(brokers):
        answer.integer(4)
        answer.text()
        answer.integer(4)
        answer.text()
    if brokers == 0:
        raise ValueError("the broker is not registered yet")
    answer.integer(4)  # Controller id.
    topics = {}
    for _ in range(answer.integer(4)):
        answer.integer(2)
        name = answer.text()
        answer.integer(1)
        partitions = answer.integer(4)
        topics[name] = partitions
        for _ in range(partitions):
            answer.integer(2)
            answer.integer(4)
            answer.integer(4)
            for _ in range(2):  # Replicas, then those in sync.
                for _ in range(answer.integer(4)):
                    answer.integer(4)
    return topics


def _receive(connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        part = connection.recv(count - len(received))
        if not part:
            raise ValueError("the connection was closed")
        received += part
    return bytes(received)


class _KafkaAnswer:
    """Reads the fields of a Kafka answer, one after the other."""

    def __init__(self, data: bytes):
        self._data = data
        self._at = 0

    def integer(self, size: int) -> int:
        value = int.from_bytes(self._data[self._at : self._at + size], "big", signed=True)
        self._at += size
        return value

    def text(self) -> str:
        size = self.integer(2)
        if size < 0:
            return ""
        value = self._data[self._at : self._at + size].decode()
        self._at += size
        return value
