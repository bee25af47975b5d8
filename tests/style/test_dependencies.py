"""Which folder may use which: domain <- ports <- pipeline, and services meet only in proto/.

CMake cannot enforce it, because Debian's headers lie in /usr/include: a domain
file could include rdkafka.h without linking anything.
"""

import re
from pathlib import Path

import repository

_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')

# What does I/O, starts or waits for threads, draws lots or writes logs has no place in a domain
# folder.
_IO_HEADERS = re.compile(
    r"""^(
      httplib | librdkafka/ | rdkafka | pqxx | libpq | hiredis | grpc | spdlog | prometheus
      | boost/(asio|beast) | openssl/ssl | sys/ | netinet/ | arpa/ | unistd | fcntl | poll\.h
      | thread$ | condition_variable$ | future$ | fstream$ | filesystem$ | iostream$ | cstdlib$
      | random$
      | libs/(kafka|postgres|redis|http|rpc|telemetry|config)/
      | adapters/ | pipeline
    )""",
    re.VERBOSE,
)
# Only libs/ talks to these directly; services use what libs/ makes of them. (libs/postgres hands
# out libpqxx's own transactions, so its headers are no secret.)
_CLIENT_HEADERS = re.compile(r"^(librdkafka/|rdkafka|libpq|hiredis|sodium)")
_PURE_LIBS = ("libs/base", "libs/twilio", "libs/crypto")


def _includes(file: Path):
    for number, line in repository.lines(file):
        if found := _INCLUDE.match(line):
            yield number, found.group(1)


def _is_test(file: Path) -> bool:
    return "tests" in file.parts


def _service(file: Path) -> str:
    return file.parts[1] if file.parts[0] == "services" else ""


def test_domain_does_no_io():
    found = []
    for file in repository.cpp_files():
        if "domain" not in file.parts or _is_test(file):
            continue
        for number, header in _includes(file):
            if _IO_HEADERS.match(header):
                found.append(f"{file}:{number}: domain code includes {header}")
    repository.report(found)


def test_only_main_and_adapters_know_adapters():
    found = []
    for file in repository.cpp_files():
        if file.parts[0] != "services" or _is_test(file):
            continue
        if file.name == "main.cc" or "adapters" in file.parts:
            continue
        for number, header in _includes(file):
            if header.startswith("adapters/") or "/adapters/" in header:
                found.append(f"{file}:{number}: includes {header}; only main.cc may")
    repository.report(found)


def test_services_do_not_include_each_other():
    found = []
    services = {_service(file) for file in repository.cpp_files() if _service(file)}
    for file in repository.cpp_files():
        own = _service(file)
        for number, header in _includes(file):
            for other in services - {own}:
                if f"services/{other}/" in header:
                    found.append(f"{file}:{number}: includes {header} of another service")
    repository.report(found)


def test_services_do_not_link_each_other():
    found = []
    services = {_service(file) for file in repository.cpp_files() if _service(file)}
    for service in services:
        file = Path("services") / service / "CMakeLists.txt"
        if not (repository.ROOT / file).exists():
            continue
        for number, line in repository.lines(file):
            code = line.split("#")[0]
            for other in services - {service}:
                core = other.replace("-", "_") + "_core"
                if re.search(rf"\b(parley::)?{re.escape(core)}\b", code):
                    found.append(f"{file}:{number}: links {core}")
    repository.report(found)


def test_libs_do_not_know_services_or_tools():
    found = []
    for file in repository.cpp_files():
        if file.parts[0] != "libs":
            continue
        for number, header in _includes(file):
            if header.startswith(("services/", "tools/", "domain/", "adapters/", "ports.h")):
                found.append(f"{file}:{number}: includes {header}")
    repository.report(found)


def test_clients_are_used_through_libs():
    found = []
    for file in repository.cpp_files():
        if file.parts[0] != "services" or _is_test(file):
            continue
        for number, header in _includes(file):
            if _CLIENT_HEADERS.match(header):
                found.append(f"{file}:{number}: includes {header}; use libs/")
    repository.report(found)


def test_pure_libs_use_no_clients():
    found = []
    for file in repository.cpp_files():
        if not str(file).startswith(_PURE_LIBS) or _is_test(file):
            continue
        for number, header in _includes(file):
            if re.match(
                r"(librdkafka/|pqxx|hiredis|grpc|libs/(kafka|postgres|redis|rpc)/)", header
            ):
                found.append(f"{file}:{number}: includes {header}")
    repository.report(found)
