"""Installs what is missing, and nothing else. Every part leaves a stamp or can
be seen to be there, so that repeating costs milliseconds and an interrupted
installation goes on where it stopped."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from parley import infra
from parley.layout import Layout, write_atomically
from parley.problem import Problem, explain
from parley.progress import Step

SCRIPTS = Path(__file__).resolve().parents[1]
NODE_VERSION_MIN = (20, 19)  # What Vite 8 needs.
NODE_VERSION = "22.14.0"  # Fetched through npm where Debian's Node.js is too old.
NPM_VERSION = "10.9.2"
BUF_VERSION = "1.50.0"
GOOGLEAPIS_VERSION = "1.66.0"
# Go tools that check deploy/k8s and generate api/openapi.yaml, and the Go that builds
# them where there is none or an older one; it comes through the Go module proxy.
GO_TOOLS = {
    "kustomize": "sigs.k8s.io/kustomize/kustomize/v5@v5.6.0",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.6.7",
    "protoc-gen-openapi": "github.com/google/gnostic/cmd/protoc-gen-openapi@v0.7.1",
}
GO_VERSION = "1.24.4"
_DISK_BYTES_MIN = 3 << 30


def run_tool(
    what: str,
    command: list[str],
    step: Step | None = None,
    remedy: str = "",
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    progress=lambda line: line,
    detail=None,
) -> str:
    """Runs a program that may take long, showing its lines as progress.

    `progress` turns a line of output into the text to show, or "" for none.
    Raises Problem with the reason and what `detail` picks from the output (its
    last lines, unless given).
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise Problem(what, f"{command[0]} is not installed", remedy) from None
    lines: list[str] = []
    with process:
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                shown = progress(lines[-1].strip())
                if step and shown:
                    step.update(shown[:90])
        except KeyboardInterrupt:
            process.terminate()
            raise
    output = "\n".join(lines)
    if process.returncode != 0:
        why, known_remedy = explain(output, Path(command[0]).name, remedy)
        # A cause that is known needs no lines of proof.
        shown = (detail or _last)(lines) if known_remedy == remedy else ""
        raise Problem(what, why, known_remedy, shown)
    return output


def _last(lines: list[str], count: int = 15) -> str:
    return "\n".join([line for line in lines if line.strip()][-count:])


def check_disk(folder: Path) -> None:
    """Refuses early what would fail in the middle."""
    free = shutil.disk_usage(folder).free
    if free < _DISK_BYTES_MIN:
        raise Problem(
            "Not enough room to install and build",
            f"{free / (1 << 30):.1f} GiB are free, and 3 GiB are needed",
            "Free some space (df -h shows where), then run this again",
        )


# --- Debian's packages ---------------------------------------------------------------------


def wanted_packages() -> list[str]:
    lines = (SCRIPTS / "packages.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def missing_packages(wanted: list[str]) -> list[str]:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    installed = {
        line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")
    }
    return [package for package in wanted if package not in installed]


def _as_root(command: list[str]) -> list[str]:
    if os.getuid() == 0:
        return command
    if shutil.which("sudo"):
        return ["sudo", *([] if os.isatty(0) else ["-n"]), *command]
    raise Problem(
        "Packages are missing and cannot be installed",
        "this user is not root and there is no sudo",
        f"Run as root: {' '.join(command)}",
    )


@contextlib.contextmanager
def _no_service_starts():
    """Keeps Debian's packages from starting their own PostgreSQL, Redis and nginx: Debian asks
    /usr/sbin/policy-rc.d, and 101 means no. One that is already there stays."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    script = "printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d"
    subprocess.run(
        _as_root(["sh", "-c", f"{script} && chmod 755 /usr/sbin/policy-rc.d"]), check=True
    )
    try:
        yield
    finally:
        subprocess.run(_as_root(["rm", "-f", str(policy)]), check=True)


def install_packages(step: Step, wanted: list[str]) -> None:
    missing = missing_packages(wanted)
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise Problem(
            "Packages are missing and cannot be installed",
            "this is no Debian system (apt-get is missing)",
            f"Install by hand: {' '.join(missing)}",
        )
    environment = ["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"]
    apt = [*environment, "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    step.update("reading the package lists")
    run_tool("Debian's package lists could not be read", _as_root([*apt, "update"]), step)
    with _no_service_starts():
        run_tool(
            f"{len(missing)} Debian packages could not be installed",
            _as_root([*apt, "install", "-y", "--no-install-recommends", *missing]),
            step,
            remedy=f"See what apt says: apt-get install {' '.join(missing)}",
            progress=_apt_progress(len(missing)),
        )
    still = missing_packages(wanted)
    if still:
        raise Problem("Some packages are still missing", ", ".join(still), "Install them by hand")


def _apt_progress(count: int):
    seen = {"fetched": 0, "set_up": 0}

    def show(line: str) -> str:
        if line.startswith("Get:"):
            seen["fetched"] += 1
            return f"{count} packages and what they need: fetching the {seen['fetched']}th"
        if line.startswith("Setting up"):
            seen["set_up"] += 1
            return f"{count} packages and what they need: set up {seen['set_up']}"
        return ""

    return show


# --- Java, Python and Node.js --------------------------------------------------------------


def _stamped(stamp: Path, content: str) -> bool:
    try:
        return stamp.read_text(encoding="utf-8") == content
    except OSError:
        return False


def install_kafka(layout: Layout, step: Step) -> None:
    """Kafka's jars, by Maven, with whatever settings this machine's Maven has."""
    pom = SCRIPTS / "kafka" / "pom.xml"
    content = hashlib.sha256(pom.read_bytes()).hexdigest()
    folder = layout.tools / "kafka"
    if _stamped(folder / "stamp", content):
        return
    step.update("Kafka's jars")
    new = layout.tools / "kafka.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    run_tool(
        "Kafka could not be fetched",
        [
            "mvn",
            "-B",
            "-ntp",
            "-U",  # Forgets failures of an earlier try.
            "-f",
            str(pom),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={new / 'libs'}",
            "-DincludeScope=runtime",
        ],
        step,
        remedy="See what Maven says above",
        progress=lambda line: f"Kafka: {line.split()[-1]}" if "Copying" in line else "",
    )
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)
    step.update("Kafka's first start")
    infra.make_kafka_archive(layout)
    write_atomically(folder / "stamp", content)


def install_googleapis(layout: Layout, step: Step) -> None:
    """The google/api protos, which PyPI's googleapis-common-protos carries."""
    folder = layout.tools / "googleapis"
    if (folder / f"googleapis_common_protos-{GOOGLEAPIS_VERSION}.dist-info" / "RECORD").exists():
        return
    step.update("google/api protos")
    shutil.rmtree(folder, ignore_errors=True)
    _python_tools(layout, step)
    run_tool(
        "The google/api protos could not be fetched",
        [
            str(layout.tools / "venv" / "bin" / "pip"),
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(folder),
            f"googleapis-common-protos=={GOOGLEAPIS_VERSION}",
        ],
        step,
    )


def _python_tools(layout: Layout, step: Step) -> None:
    venv = layout.tools / "venv"
    if not (venv / "bin" / "pip").exists():
        step.update("Python environment")
        shutil.rmtree(venv, ignore_errors=True)
        run_tool(
            "The Python environment could not be made",
            ["/usr/bin/python3", "-m", "venv", str(venv)],
            step,
            remedy="Install the package python3-venv",
        )


def install_python(layout: Layout, step: Step) -> None:
    """What the tests need from PyPI, in a virtual environment of their own."""
    _python_tools(layout, step)
    requirements = SCRIPTS / "requirements.txt"
    content = requirements.read_text(encoding="utf-8")
    stamp = layout.tools / "venv" / "stamp"
    if _stamped(stamp, content):
        return
    step.update("Python packages")
    run_tool(
        "The tests' Python packages could not be installed",
        [str(layout.tools / "venv" / "bin" / "pip"), "install", "-r", str(requirements)],
        step,
        progress=lambda line: f"Python: {line}" if line.startswith("Collecting") else "",
    )
    write_atomically(stamp, content)


def _node_version(node: str) -> tuple[int, int]:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"v(\d+)\.(\d+)\.", done.stdout)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def node_path(layout: Layout) -> str:
    """The value of PATH with which `node` and `npm` are new enough."""
    own = layout.tools / "node" / "bin"
    path = os.environ.get("PATH", "/usr/bin:/bin")
    return f"{own}:{path}" if (own / "npm").exists() else path


def install_node(layout: Layout, step: Step) -> None:
    """Node.js from PATH if it is new enough. Debian 12 has 18, too old for Vite: then a newer one
    comes through the npm registry, with Debian's own npm."""
    if shutil.which("npm", path=node_path(layout)):
        node = shutil.which("node", path=node_path(layout))
        if node and _node_version(node) >= NODE_VERSION_MIN:
            return
    if not shutil.which("npm"):
        install_packages(step, ["npm"])
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(os.uname().machine)
    if machine is None:
        raise Problem(
            "Node.js is too old",
            "version {}.{} is needed".format(*NODE_VERSION_MIN),
            "Install a newer Node.js by hand",
        )
    step.update(f"Node.js {NODE_VERSION}")
    folder = layout.tools / "node"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run_tool(
        "Node.js could not be fetched",
        [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            f"node-linux-{machine}@{NODE_VERSION}",
            f"npm@{NPM_VERSION}",
        ],
        step,
    )
    programs = folder / "bin"
    modules = folder / "node_modules"
    programs.mkdir()
    (programs / "node").symlink_to(modules / f"node-linux-{machine}" / "bin" / "node")
    (programs / "npx").symlink_to(modules / "npm" / "bin" / "npx-cli.js")
    (programs / "npm").symlink_to(modules / "npm" / "bin" / "npm-cli.js")


def npm_ci(layout: Layout, folder: Path, step: Step) -> None:
    """Installs a folder's npm packages as its lock file says, once for each lock file."""
    lock = folder / "package-lock.json"
    if not lock.exists():
        raise Problem(f"{folder} has no package-lock.json", "", "Run npm install there once")
    content = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = folder / "node_modules" / ".parley-stamp"
    if _stamped(stamp, content):
        return
    step.update(f"npm packages of {folder.relative_to(layout.checkout)}")
    run_tool(
        "The npm packages could not be installed",
        ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        step,
        folder=folder,
        environment={**os.environ, "PATH": node_path(layout)},
        progress=lambda line: "",
        detail=lambda lines: "\n".join(lines[:12]),  # The rest is npm's usage.
    )
    stamp.parent.mkdir(exist_ok=True)
    write_atomically(stamp, content)


def install_buf(layout: Layout, step: Step) -> Path:
    """buf, which checks the protos; npm carries its binaries."""
    folder = layout.tools / "buf"
    program = folder / "node_modules" / ".bin" / "buf"
    if program.exists() and _stamped(folder / "stamp", BUF_VERSION):
        return program
    install_node(layout, step)
    step.update(f"buf {BUF_VERSION}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run_tool(
        "buf could not be fetched",
        [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            f"@bufbuild/buf@{BUF_VERSION}",
        ],
        step,
        environment={**os.environ, "PATH": node_path(layout)},
    )
    write_atomically(folder / "stamp", BUF_VERSION)
    return program


# --- Go ------------------------------------------------------------------------------------


def _go_is_new(go: str | None) -> bool:
    if go is None:
        return False
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"go1\.(\d+)", done.stdout)
    return bool(found) and int(found.group(1)) >= int(GO_VERSION.split(".")[1])


def _go(layout: Layout, step: Step) -> str:
    """A Go that is new enough. Debian's is not, but can fetch one as a module."""
    go = shutil.which("go")
    if _go_is_new(go):
        return go
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    folder = layout.tools / "go"
    version = f"v0.0.1-go{GO_VERSION}.linux-{machine}"
    root = folder / "pkg" / "mod" / "golang.org" / f"toolchain@{version}"
    own = root / "bin" / "go"
    if os.access(own, os.X_OK):
        return str(own)
    if go is None:
        install_packages(step, ["golang-go"])
    step.update(f"Go {GO_VERSION}")
    folder.mkdir(parents=True, exist_ok=True)
    run_tool(
        "Go could not be fetched",
        ["go", "mod", "download", f"golang.org/toolchain@{version}"],
        step,
        folder=folder,
        environment={**os.environ, "GOPATH": str(folder), "GOFLAGS": "-modcacherw"},
    )
    # A module's files come without run bits.
    for program in (*root.glob("pkg/tool/*/*"), *root.glob("bin/*")):
        program.chmod(0o755)
    return str(own)


def install_go_tools(layout: Layout, step: Step) -> Path:
    """Builds the Go tools; returns the folder that they are in."""
    folder = layout.tools / "bin"
    content = json.dumps(GO_TOOLS)
    if _stamped(folder / "stamp", content):
        return folder
    go = _go(layout, step)
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in GO_TOOLS.items():
        step.update(f"building {name}")
        run_tool(
            f"{name} could not be built",
            [go, "install", source],
            step,
            environment={**os.environ, "GOBIN": str(folder), "GOTOOLCHAIN": "local"},
        )
    write_atomically(folder / "stamp", content)
    return folder


# -------------------------------------------------------------------------------------------


def install(layout: Layout, step: Step, for_tests: bool = False) -> None:
    """Everything that ./run needs, and for ./test also what only tests need."""
    began = time.monotonic()
    missing = missing_packages(wanted_packages())
    if missing or not (layout.tools / "kafka" / "stamp").exists():
        check_disk(layout.checkout)
    install_packages(step, wanted_packages())
    install_kafka(layout, step)
    install_googleapis(layout, step)
    install_node(layout, step)
    if for_tests:
        install_python(layout, step)
    if time.monotonic() - began < 1.0:
        step.update("nothing was missing")
