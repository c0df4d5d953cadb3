"""What contrib/docker describes where there is no engine for it: the Containerfile's instructions carried out on this
machine's own Debian, which nothing is changed of, and containers of namespaces, as closed as a compose file says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from tests.cli.command import ROOT
from tests.real.harness import LOOK_S, PATIENCE_S
from tests.tools import needed

FOLDER = ROOT / "contrib" / "docker"
HOME = {"HOME": "/root", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
INSTALL_S = 400.0
LAYER = """mkdir -p {layer}/written {layer}/work {layer}/root
mount -t overlay overlay -o lowerdir={lower},upperdir={layer}/written,workdir={layer}/work {layer}/root
mount -t proc proc {layer}/root/proc
mount --rbind /dev {layer}/root/dev
mount -t tmpfs tmpfs {layer}/root/tmp"""
CONTAINER = """mount --make-rprivate /
cd "$1"
umount tmp
mount -t proc proc proc
mkdir -p former
shift
for each in "$@"; do
    [ "$each" = -- ] && break
    mount --bind "${each%%:*}" ".${each#*:}"
    shift
done
shift
/usr/sbin/pivot_root . former
umount -l /former
for each in "$@"; do
    [ "$each" = -- ] && break
    mount -t tmpfs -o "${each#*:}" tmpfs "${each%%:*}"
    shift
done
shift
mount -o remount,bind,ro /
exec "$@"
"""
"""ROOT PATH:PLACE… -- TMPFS:OPTIONS… -- COMMAND. Not chroot: from inside one no user namespace may be made, and of such
is the sandbox of a browser."""
NOBODY = ("setpriv", "--reuid=reactor", "--regid=reactor", "--init-groups")
CLOSED = ("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--")
"""The user of the image, with nothing more than anybody may."""


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's instructions, in order: (name, arguments)."""
    text = re.sub(r"^\s*#.*\n", "", (FOLDER / "Containerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines) if name]


def services(*names: str) -> dict[str, dict[str, Any]]:
    """The services of a compose file, with what others beside it say."""
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        for service, told in yaml.safe_load((FOLDER / name).read_text())["services"].items():
            before = found.setdefault(service, {})
            found[service] = before | {key: _beside(before.get(key), value) for key, value in told.items()}
    return found


def _beside(before: Any, value: Any) -> Any:
    """Variables and volumes come beside those of the file before; all else takes its place."""
    match before, value:
        case dict(), dict():
            return {**before, **value}
        case list(), list():
            return [*before, *value]
    return value


def filled(text: str, known: Mapping[str, str]) -> str:
    """A value of a compose file, with what its `.env` says."""
    return re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}", lambda found: known.get(found[1], ""), text).replace("$$", "$")


@dataclass(frozen=True)
class Image:
    """A stage of the Containerfile, so far."""

    layers: tuple[str, ...] = ()
    """Folders, the latest first; below them is this machine's own system."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        return f"{self.layers[0]}/root"


@dataclass
class Container:
    """One that was started."""

    process: asyncio.subprocess.Process
    log: Path
    environment: Mapping[str, str]

    first: int = 0
    """Its pid 1, as it is seen here."""

    async def begun(self, program: str) -> None:
        """Wait until its pid 1 is this program."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.first:
                assert self.process.returncode is None, self.log.read_text()
                children = psutil.Process(self.process.pid).children()
                self.first = next((child.pid for child in children if child.name() == program), 0)
                await asyncio.sleep(LOOK_S)

    async def run(self, *command: str) -> tuple[int, str]:
        """Run a command inside, as `exec` of an engine does; its exit code, and what it prints."""
        inside = ("nsenter", f"--target={self.first}", "--mount", "--pid", "--ipc", "--uts", "--wdns=/data", "--")
        process = await asyncio.create_subprocess_exec(
            *(*inside, *NOBODY, *CLOSED, *command),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        async with asyncio.timeout(PATIENCE_S):
            printed, _ = await process.communicate()
            return await process.wait(), printed.decode()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """As an engine does it; its exit code. With SIGKILL all that it has started ends at once."""
        os.kill(self.first, number)
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()


class Machine:
    """Where images are built and run: a mount namespace, kept by a process."""

    def __init__(self, pid: int, place: Path, stack: AsyncExitStack) -> None:
        self._pid, self._place, self._stack = pid, place, stack
        self._built: dict[str, Image] = {}
        self.names = {"localhost": "127.0.0.1"}
        """The addresses of what its containers find by name, as in a network of theirs."""

    async def run(self, *command: str, folder: str | Path = "/", environment: Mapping[str, str] = HOME) -> int:
        """Run a command here, and wait for it; its exit code. What it prints goes to a file."""
        with (self._place.parent / "build.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._inside(*command), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            async with asyncio.timeout(INSTALL_S):
                return await process.wait()

    def _inside(self, *command: str) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._pid}", "--mount", "--wdns=/", "--", *command)

    async def _do(self, script: str) -> None:
        assert await self.run("/bin/sh", "-ec", f"cd {ROOT}\n{script}") == 0, self.said()

    def said(self) -> str:
        """The end of what was printed."""
        return (self._place.parent / "build.log").read_text()[-4000:]

    async def build(self, target: str, **arguments: str) -> Image:
        """A stage, with those that it is made from; `arguments` are its own."""
        key = "-".join([target, *arguments.values()])
        if key not in self._built:
            ((base, steps),) = [(base, steps) for base, name, steps in _stages() if name == target]
            image = await self._on(key, await self.build(base) if _is_stage(base) else Image())
            for step in steps:
                image = await self._step(image, *step, arguments)
            self._built[key] = image
        return self._built[key]

    async def _on(self, name: str, base: Image) -> Image:
        layer = f"{self._place}/{name}"
        below = (f"{each}/written" for each in base.layers)
        await self._do(LAYER.format(layer=layer, lower=":".join([*below, "/"])))
        return replace(base, layers=(layer, *base.layers))

    async def _step(self, image: Image, name: str, rest: str, arguments: Mapping[str, str]) -> Image:
        rest = filled(rest, arguments) if name == "COPY" else rest
        match name:
            case "RUN":
                pip = {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
                inside = ("/usr/sbin/chroot", image.root, "/bin/sh", "-ec", f"cd {image.folder}\n{rest}")
                environment = {**HOME, **pip, **image.environment, **arguments}
                assert await self.run(*inside, environment=environment) == 0, self.said()
            case "COPY":
                if rest.startswith("--from="):
                    await self.build(rest.split()[0].partition("=")[2])
                await self._do("\n".join(self._copies(image, rest.split())))
            case "WORKDIR":
                await self._do(f"mkdir -p {image.root}{rest}")
                return replace(image, folder=rest)
            case "ENV":
                pairs = (word.partition("=") for word in shlex.split(rest))
                return replace(image, environment={**image.environment, **{key: value for key, _, value in pairs}})
            case "ENTRYPOINT":
                return replace(image, entrypoint=tuple(json.loads(rest)))
            case "CMD":
                return replace(image, command=tuple(json.loads(rest)))
            case "HEALTHCHECK":
                return replace(image, health=tuple(json.loads(rest.partition("CMD ")[2] or "[]")))
            case _:
                assert name in ("ARG", "USER", "VOLUME", "STOPSIGNAL"), name
        return image

    def _copies(self, image: Image, words: Sequence[str]) -> Iterator[str]:
        *sources, to = words
        into = f"{image.root}{Path(image.folder, to)}" + ("/" if to.endswith("/") else "")
        if sources[0].startswith("--from="):
            stage = self._built[sources.pop(0).partition("=")[2]]
            yield f"mkdir -p {Path(into).parent}; cp -a {stage.root}{sources[0]} {into}"
            return
        for source in sources:
            yield f"""for each in {source}; do
                if [ -d "$each" ]; then mkdir -p {into}; cp -r "$each/." {into}
                else mkdir -p {into if into.endswith("/") else Path(into).parent}; cp "$each" {into}; fi
            done"""

    async def _mounts(self, image: Image, service: Mapping[str, Any], place: Path) -> AsyncIterator[str]:
        """Its volumes; one that is not there yet is made, with what the image has in its place."""
        for volume in service["volumes"]:
            name, _, target = volume.partition(":")
            if not (place / name).exists():
                await self._do(f"mkdir -p {place}; cp -a {image.root}{target} {place / name}")
            yield f"{place / name}:{target}"
        hosts = self._place.parent / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, address in self.names.items()))
        yield f"{hosts}:/etc/hosts"

    async def start(
        self, image: Image, service: Mapping[str, Any], place: Path, known: Mapping[str, str], **more: str
    ) -> Container:
        """A container of a compose file's. `place`: where its volumes are; `known`: its `.env`; `more`: settings beside
        those of the service."""
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        told = {name: filled(value, known) for name, value in service["environment"].items()}
        environment = {"PATH": HOME["PATH"], "HOME": "/data", **image.environment, **told, **more}
        apart = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
        mounts = [each async for each in self._mounts(image, service, place)]
        inside = ("/bin/sh", "-ec", CONTAINER, "sh", image.root, *mounts, "--", *service["tmpfs"], "--")
        closed = (*NOBODY, *CLOSED, "env", f"--chdir={image.folder}")
        command = (*image.entrypoint, *service.get("command", image.command))
        log = self._place.parent / f"{told.get('MACHINE_NAME', Path(command[-1]).stem)}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *self._inside(*apart, *inside, *closed, *command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._stack.push_async_callback(_ended, process)
        container = Container(process, log, environment)
        await container.begun(command[0])
        return container


@asynccontextmanager
async def machine(folder: Path) -> AsyncIterator[Machine]:
    """One whose files are in memory. For root."""
    folder.mkdir()
    keep = 'mount --make-rprivate /; mount -t tmpfs tmpfs "$0"; echo; exec sleep infinity'
    process = await asyncio.create_subprocess_exec(
        *(needed("unshare"), "--mount", "/bin/sh", "-ec", keep, str(folder)), stdout=subprocess.PIPE
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_ended, process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"\n"
        yield Machine(process.pid, folder, stack)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        # With a pid 1 all of its container ends; `--kill-child` is forgotten where the user changes.
        for child in psutil.Process(process.pid).children():
            child.kill()
        process.kill()
    await process.wait()


def _stages() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Of each stage that has a name its base, its name and its instructions."""
    found: list[tuple[str, str, list[tuple[str, str]]]] = []
    for name, rest in instructions():
        if name == "FROM":
            base, _, stage = rest.partition(" AS ")
            found.append((base, stage, []))
        else:
            found[-1][2].append((name, rest))
    return [stage for stage in found if stage[1]]


def _is_stage(base: str) -> bool:
    return base in {name for _, name, _ in _stages()}
