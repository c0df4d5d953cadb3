"""Processes of ours that start at once: one has imported what they import, and forks each.

A bot library costs seconds of processor time to import, yt-dlp more than one, reactor itself nearly one; with this each
worker of the tests pays them once. `install` puts it below `subprocess`, so that tests and reactor start processes as
they always do. What comes of it is a process like any other: a child of whoever started it, with its own environment,
folder, descriptors, session and command line, in which the program's own file or module runs as `__main__`.

What a test of the start itself is about (paths, isolation, how much is imported) is not so: it is marked `execs`, and
so are commands that are not in `_known`. `REACTOR_TESTS_EXEC=1` starts everything as a person does.
"""

from __future__ import annotations

import atexit
import builtins
import ctypes
import gc
import json
import os
import platform
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from reactor.extractors.ytdlp import worker as ytdlp
from reactor.programs import _BOOT
from reactor.workers import limits

ROOT = Path(__file__).parents[1]
ALL_EXEC = "REACTOR_TESTS_EXEC"
REACTOR = (
    *("reactor.cli.run", "reactor.cli.get", "reactor.cli.preflight", "reactor.cli.runtime", "reactor.daemon.service"),
    *("reactor.daemon.effects.database", "reactor.daemon.effects.aria2", "reactor.daemon.probes", "typer._adapters"),
    *("reactor.database.sqlite.store", "reactor.database.sqlite.lock", "reactor.aria2.connection"),
    *("reactor.journal.background_writer", "reactor.journal.ndjson", "reactor.journal.stderr_log"),
    *("reactor.extractors.browser.worker", "reactor.extractors.plugins.worker", "reactor.extractors.parse_worker"),
    *("reactor.cli.list", "reactor.cli.add", "reactor.cli.bulk", "reactor.cli.cancel", "reactor.cli.doctor.command"),
    *("reactor.web.app", "rich.console", "rich.table", "anyio._backends._asyncio", "importlib.resources.readers"),
)
YTDLP = ("cookies", "extractor", "extractor.genericembeds", "globals", "networking.impersonate", "plugins", "version")
BOTS = (
    *("aiogram", "aiosqlite", "discord", "pydantic_settings", "reactor.cli.asked", "reactor.queue", "reactor.settings"),
)
KINDS = {"reactor": REACTOR, "bots": BOTS}
ENTRIES = ("reactor.cli:main", "reactor.extractors.browser.worker:main", "reactor.extractors.plugins.worker:main")
PARSER = "reactor.extractors.parse_worker:main"
PARSER_DATA_MIN = 2**29
"""Where its limit of memory is lower, what was imported here would not leave it any."""
BOT_FILES = ("bot.py", "upload.py")

FRESH_BYTES = 20 * 1024 * 1024
"""What a new one holds that is started by itself."""
CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of the system call."""
CLONE_PARENT = 0x8000
"""The child has the caller's parent: whoever asked."""
ORDER_BYTES_MAX = 100_000
BESIDE = "tests.warm beside"
"""On the command line of the process that forks for one that was forked."""
TITLE = "-" * 8192
"""Room on the command line for that of what is forked."""
FLAGS = {"-I", "-P"}
PR_SET_MM, PR_SET_MM_ARG_END = 35, 9

_exec = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_forks = True


def install() -> None:
    """From now on this process starts those it knows so. Linux only."""
    if platform.machine() in CLONE and sys.platform == "linux" and not os.environ.get(ALL_EXEC):
        subprocess.Popen._execute_child = _execute  # type: ignore[attr-defined]


@contextmanager
def all_exec() -> Iterator[None]:
    """Until the end of the body everything is started as a person does it."""
    global _forks
    _forks, before = False, _forks
    try:
        yield
    finally:
        _forks = before


class Warm:
    """The process that forks, from the side of whoever asks it to."""

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self._sock = sock
        self._process = process
        self._asking = threading.Lock()
        self.forks = 0

    def fork(self, order: bytes, fds: Sequence[int]) -> int:
        """The pid of a child of ours that does as ordered, with these as stdin, stdout and stderr."""
        with self._asking:
            socket.send_fds(self._sock, [order], fds)
            pid = int(self._sock.recv(64))
            self.forks += 1
            return pid


_warm: dict[str, Warm] = {}


def ready(kind: str) -> None:
    """Start the one of this process, for what its threads start later: they may not."""
    if _forks and subprocess.Popen._execute_child is _execute:  # type: ignore[attr-defined]
        _started(kind)


def forked() -> int:
    """How many this process has had forked."""
    return sum(each.forks for each in _warm.values())


def _started(kind: str) -> Warm | None:
    """The one of this process; None where it may not be started: its children would die with a thread of ours."""
    if kind not in _warm:
        if threading.current_thread() is not threading.main_thread() or _is_fork:
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.warm", kind, str(theirs.fileno()), TITLE],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        _warm[kind] = Warm(ours, process)
    return _warm[kind]


def _execute(
    self: Any,
    args: Any,
    executable: Any,
    preexec_fn: Any,
    close_fds: bool,
    pass_fds: Any,
    cwd: Any,
    env: Any,
    *rest: Any,
) -> None:
    """In the place of Popen's own."""
    warm, order = None, b""
    _, _, shell, *pipes, _, gid, gids, uid, umask, session, group = rest
    if _forks and not shell and (preexec_fn, executable, gid, gids, uid, umask, group) == (*[None] * 5, -1, -1):
        command, environment = _text(args), dict(os.environ if env is None else env)
        folder = os.getcwd() if cwd is None else os.fsdecode(cwd)  # noqa: PTH109 - as Popen takes it
        if not pass_fds and (kind := _known(command, environment)) and Path(folder).is_dir():
            told = {"command": command, "environment": environment, "folder": folder, "session": bool(session)}
            order = json.dumps(told).encode()
            warm = _started(kind) if len(order) < ORDER_BYTES_MAX else None
    if warm is None:
        _exec(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, *rest)
        return
    stdin, _, _, stdout, _, stderr = pipes
    self.pid = warm.fork(
        order, [theirs if theirs != -1 else ours for ours, theirs in enumerate((stdin, stdout, stderr))]
    )
    self._child_created = True
    self._close_pipe_fds(*pipes)


def _text(args: Any) -> list[str]:
    return [os.fsdecode(word) for word in args] if isinstance(args, list | tuple) else []


def _known(command: Sequence[str], environment: Mapping[str, str]) -> str | None:
    """Which kind can start it."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    theirs = {name: value for name, value in environment.items() if name.startswith("PYTHON")}
    if theirs.pop("PYTHONPATH", str(ROOT)) != str(ROOT) or command[:1] != [sys.executable]:
        return None
    ours.pop("PYTHONPATH", None)
    for each in (ours, theirs):
        each.pop("PYTHONIOENCODING", None)  # as `_open_streams` has it
    if theirs and theirs != ours:
        return None
    _, how, what = _split(command)
    match how, what[:3]:
        case ("-m", ["reactor", *_]) | ("-", [ytdlp.__file__]):
            return "reactor"
        case "-c", [code, _, entry] if code == _BOOT and entry in ENTRIES:
            return "reactor"
        case "-c", [code, _, entry] if code == _BOOT and entry == PARSER:
            return "reactor" if json.loads(command[-1])["data_bytes"] >= PARSER_DATA_MIN else None
        case "-", [file, *_] if Path(file).name in BOT_FILES:
            return "bots"
    return None


def _split(command: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """The flags; `-m`, `-c` or `-` for a file; and what follows."""
    flags, rest = [], list(command[1:])
    while rest and (rest[0] in FLAGS or rest[0] == "-W"):
        flags += [rest.pop(0) for _ in range(2 if rest[0] == "-W" else 1)]
    if rest and rest[0] in ("-m", "-c"):
        return flags, rest[0], rest[1:]
    return flags, "" if rest and rest[0].startswith("-") else "-", rest


# In the process that forks


def main() -> None:
    """Fork for whoever has started this; end with them."""
    kind, fd = sys.argv[1], int(sys.argv[2])
    gc.disable()  # nothing of what is imported is garbage
    for name in KINDS[kind]:
        import_module(name)
    if kind == "reactor":
        _import_ytdlp()
    _build()
    assert threading.active_count() == 1, "a fork takes one thread along"
    gc.enable()
    gc.freeze()
    _serve(socket.socket(fileno=fd))


def _import_ytdlp() -> None:
    """With the patterns of all its extractors."""
    yt_dlp = import_module("yt_dlp")
    for name in YTDLP:
        import_module(f"yt_dlp.{name}")
    ytdlp.suits(yt_dlp, "https://example.com/")
    ytdlp.sites.cache_clear()


def _build() -> None:
    """What reactor builds at its first use: models, patterns, and the methods of its records."""
    from pydantic import BaseModel

    from reactor import records
    from reactor.patterns import Pattern
    from reactor.plan import build_models

    build_models()
    kinds: list[type[BaseModel]] = [BaseModel]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if kind.__module__.startswith("reactor."):
            kind.model_rebuild()
    for each in gc.get_objects():
        if isinstance(each, Pattern):
            each.groups  # noqa: B018 - `re` keeps it from then on
        elif isinstance(each, type) and "__init__" in vars(each) and each.__module__.startswith("reactor."):
            records.write_init(each)


def _serve(sock: socket.socket) -> None:
    sock.set_inheritable(False)
    while True:
        order, fds, _, _ = socket.recv_fds(sock, ORDER_BYTES_MAX, 3)
        if not order:
            os._exit(0)
        if not (pid := _fork_beside()):
            sock.close()
            _become(json.loads(order), fds)
        for each in fds:
            os.close(each)
        sock.send(b"%d" % pid)


def _fork_beside() -> int:
    """Fork a child for our parent."""
    libc = ctypes.PyDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = int(libc.syscall(CLONE[platform.machine()], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    (ctypes.pythonapi.PyOS_AfterFork_Parent if pid else ctypes.pythonapi.PyOS_AfterFork_Child)()
    if pid < 0:
        raise OSError(ctypes.get_errno(), "clone")
    return pid


_is_fork = False


def _become(order: Mapping[str, Any], fds: Sequence[int]) -> None:
    """Be the program, and end."""
    global _is_fork
    _is_fork = True
    for target, source in enumerate(fds):
        os.dup2(source, target)
        os.close(source)
    if order["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(order["environment"])
    time.tzset()
    os.chdir(order["folder"])
    command = order["command"]
    sys.orig_argv = command
    _entitle(command)
    flags, how, rest = _split(command)
    if rest[:2] == ["reactor", "run"] or rest[:2] == ["reactor", "get"] or "reactor.cli:main" in rest:
        _help_ourselves()
    _open_streams()
    _exit(lambda: _run(flags, how, rest))


def _run(flags: Sequence[str], how: str, rest: Sequence[str]) -> None:
    for option in (flags[n + 1] for n, flag in enumerate(flags) if flag == "-W"):
        sys.warnoptions.append(option)
        warnings._processoptions([option])  # type: ignore[attr-defined]
    isolated = bool({"-I", "-P"} & set(flags))
    match how:
        case "-m":
            sys.path[:0] = [] if isolated else [os.getcwd()]  # noqa: PTH109 - as Python has it
            sys.argv = list(rest)
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        case "-c":
            sys.path[:0] = [] if isolated else [""]
            sys.argv = ["-c", *rest[1:]]
            if PARSER in rest:
                _count_from_here()
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__", "__builtins__": builtins})
        case _:
            sys.path[:0] = [] if isolated else [str(Path(rest[0]).parent)]
            sys.argv = list(rest)
            runpy.run_path(rest[0], run_name="__main__")


def _count_from_here() -> None:
    """It is judged by what it holds, not by what was imported before it was forked."""
    held, resident = limits.resident_bytes(), limits.resident_bytes
    limits.resident_bytes = lambda: resident() - held + FRESH_BYTES


def _help_ourselves() -> None:
    """Have a process of our own that forks, for the workers that we start."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        _warm["reactor"] = Warm(ours)
        install()
        return
    ours.close()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)
    _entitle([sys.executable, "-m", *BESIDE.split()])
    _serve(theirs)


def _open_streams() -> None:
    """What Python makes of 0, 1 and 2 when it starts."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(  # noqa: SIM115
            fd,
            "w",
            encoding=encoding or "utf-8",
            errors=(errors or "strict") if fd == 1 else "backslashreplace",
            closefd=False,
            buffering=1 if fd == 2 or os.isatty(fd) else -1,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _entitle(command: Sequence[str]) -> None:
    """Have the command line that the system tells of us."""
    told = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(told[45]), int(told[46])
    line = b"".join(os.fsencode(word) + b"\0" for word in command)[: end - start - 1]
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)
    ctypes.CDLL(None).prctl(PR_SET_MM, PR_SET_MM_ARG_END, ctypes.c_ulong(start + len(line)), 0, 0)  # as root


def _exit(run: Callable[[], None]) -> None:
    """Run it, and end as Python does; but for taking apart what was imported."""
    code: Any = 0
    interrupted = False
    try:
        run()
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:  # noqa: BLE001 - it is told as Python tells it
        interrupted = isinstance(error, KeyboardInterrupt)
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = 120
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        code = 120
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(int(code or 0) & 0xFF)


if __name__ == "__main__":
    main()
