"""What is said when a tool fails, and how its progress is read."""

import socket

import pytest

from parley import build, install, ports
from parley.problem import Problem


@pytest.mark.parametrize(
    "output, why",
    [
        ("E: Could not resolve 'host'", "the package registry could not be reached"),
        ("npm error code ENOTFOUND", "the package registry could not be reached"),
        ("write: No space left on device", "the disk is full"),
        ("syntax error", "sh failed"),
    ],
)
def test_a_failure_is_explained(output, why):
    with pytest.raises(Problem) as caught:
        install.run_tool("It did not work", ["sh", "-c", f'echo "{output}"; exit 1'])
    assert caught.value.why == why
    assert str(caught.value).startswith(f"It did not work: {why}")
    assert (output in caught.value.detail) == (why == "sh failed")


def test_a_missing_program_is_named():
    with pytest.raises(Problem, match="It did not work"):
        install.run_tool("It did not work", ["/missing/program"])


def test_the_first_compiler_error_is_shown_without_the_long_command():
    output = [
        "[1/3] Building a.o",
        "FAILED: b.o",
        "/usr/bin/g++ -long command",
        "b.cc:1: error: no such thing",
        "[2/3] Building c.o",
    ]
    assert build._first_failure(output) == "FAILED: b.o\nb.cc:1: error: no such thing"


def test_packages_that_are_missing_are_found():
    assert install.missing_packages(["dpkg", "no-such-package-at-all"]) == [
        "no-such-package-at-all"
    ]


def test_the_holder_of_a_port_is_named():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert "process" in ports.holder(port)
        assert ports.accepts(port)
    assert ports.is_free(port)


def test_free_ports_are_different():
    assert len(set(ports.free_ports(20))) == 20
