"""Builds the services and the page; does nothing where nothing changed."""

import contextlib
import fcntl
import hashlib
import os
import re
from pathlib import Path

from parley import install
from parley.layout import Layout, write_atomically
from parley.problem import Problem
from parley.progress import Step

# What ./run needs of the build; ./test builds all.
PROGRAMS = {
    "gateway": "services/gateway",
    "webhook-ingest": "services/webhook-ingest",
    "ai-responder": "services/ai-responder",
    "sender": "services/sender",
    "twilio-simulator": "tools/twilio-simulator",
}
_NINJA_LINE = re.compile(r"\[(\d+)/(\d+)\]")
_WEB_INPUTS = ("src/**/*", "public/**/*", "index.html", "*.json", "*.ts", "*.js")


def environment(layout: Layout) -> dict[str, str]:
    """ccache then also finds what another checkout compiled."""
    return {
        **os.environ,
        "CCACHE_BASEDIR": str(layout.checkout),
        "CCACHE_NOHASHDIR": "1",
        "NINJA_STATUS": "[%f/%t] ",
    }


@contextlib.contextmanager
def _alone(layout: Layout, step: Step):
    """Holds the build folder: ./run and ./test share it and may run at the same time."""
    layout.build.parent.mkdir(exist_ok=True)
    descriptor = os.open(layout.build.parent / ".lock", os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            step.update("waiting for another build to end")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def build_services(layout: Layout, step: Step, programs: list[str] | None = None) -> None:
    """Builds the named programs, or everything (None)."""
    with _alone(layout, step):
        if not (layout.build / "build.ninja").exists():
            step.update("configuring")
            install.run_tool(
                "The build could not be configured",
                ["cmake", "--preset", layout.build.name],
                folder=layout.checkout,
                environment=environment(layout),
                remedy="See what CMake says above",
            )
        command = ["ninja", "-C", str(layout.build)]
        for program in programs or []:
            if not (layout.checkout / PROGRAMS[program] / "CMakeLists.txt").exists():
                raise Problem(f"{program} cannot be built", f"{PROGRAMS[program]} is missing")
            command.append(program)
        _ninja(layout, command, step)


def build_fuzz_targets(layout: Layout, step: Step) -> Path:
    """Builds the fuzz targets, by Clang in a folder of their own; returns the programs' folder."""
    folder = layout.build.parent / "fuzz"
    with _alone(layout, step):
        if not (folder / "build.ninja").exists():
            step.update("configuring")
            install.run_tool(
                "The fuzz targets could not be configured",
                ["cmake", "--preset", "fuzz"],
                folder=layout.checkout,
                environment=environment(layout),
                remedy="See what CMake says above",
            )
        _ninja(layout, ["ninja", "-C", str(folder), "fuzz_targets"], step)
    return folder / "tests" / "fuzz"


def _ninja(layout: Layout, command: list[str], step: Step) -> None:
    def show(line: str) -> str:
        found = _NINJA_LINE.match(line)
        if not found:
            return ""
        done, total = int(found.group(1)), int(found.group(2))
        return f"{done} of {total}, {100 * done // max(total, 1)} %"

    install.run_tool(
        "The build failed",
        command,
        step,
        remedy="Correct it, then run this again",
        environment=environment(layout),
        progress=show,
        detail=_first_failure,
    )


def _first_failure(lines: list[str], count: int = 30) -> str:
    """The output that follows ninja's first FAILED line, without the long command."""
    for at, line in enumerate(lines):
        if line.startswith("FAILED:"):
            rest = [text for text in lines[at + 1 :] if not text.startswith("[")]
            compiler = [text for text in rest[1:] if text.strip()]
            return "\n".join([line, *compiler[:count]])
    return "\n".join(lines[-count:])


def _web_hash(web: Path, node: str) -> str:
    digest = hashlib.sha256(node.encode())
    files = {found for pattern in _WEB_INPUTS for found in web.glob(pattern) if found.is_file()}
    for file in sorted(files):
        digest.update(str(file.relative_to(web)).encode() + b"\0")
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build_web(layout: Layout, step: Step) -> None:
    """Builds the page into web/dist when its sources changed."""
    web = layout.checkout / "web"
    if not (web / "package.json").exists():
        return
    with _alone(layout, step):
        path = install.node_path(layout)
        content = _web_hash(web, path)
        stamp = layout.tools / "stamps" / "web"
        built = web / "dist" / "index.html"
        if built.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == content:
            return
        install.npm_ci(layout, web, step)
        step.update("building the page")
        install.run_tool(
            "The page could not be built",
            ["npm", "run", "build"],
            folder=web,
            environment={**os.environ, "PATH": path},
            remedy="See what Vite says above",
        )
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(stamp, content)
