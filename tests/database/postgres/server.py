"""A PostgreSQL server of the tests' own: a folder, a unix socket, an unprivileged user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg

from reactor import SyncQueue
from tests.database.postgres.kept import Kept
from tests.tools import needed

PROGRAM = "pg_ctlcluster"
"""Of Debian's package; the server's own programs stand in a folder for each version."""
VERSIONS = Path("/usr/lib/postgresql")
USER = "postgres"
DATABASE, MADE = "bot", "made"
ROWS_MAX = 1000
"""So many that are deleted are in nobody's way."""
OURS = "relnamespace = 'public'::regnamespace"
ALL = f"(SELECT oid FROM pg_class WHERE {OURS})"
SCHEMA = f"""SELECT md5(string_agg(said, ';' ORDER BY said)) FROM (
    SELECT concat(oid, ' ', xmin) FROM pg_class WHERE {OURS}
    UNION ALL SELECT concat(attrelid, ' ', attnum, ' ', xmin) FROM pg_attribute WHERE attrelid IN {ALL}
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_attrdef WHERE adrelid IN {ALL}
    UNION ALL SELECT concat(indexrelid, ' ', xmin) FROM pg_index WHERE indexrelid IN {ALL}
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_trigger WHERE tgrelid IN {ALL}
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_type WHERE typnamespace = 'public'::regnamespace
    UNION ALL SELECT concat(oid, ' ', xmin) FROM pg_event_trigger) AS said(said)"""
"""Another one after each change of a definition."""
DEADLINE_S = 60.0
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "max_connections": "60",
    "listen_addresses": "",
}


class Server:
    """One that runs."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self._settings = settings
        self._as_user = _as_user(folder)
        self._data = str(folder / "data")
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._kept = dict[str, Kept]()
        self._used = set[str]()
        self._made: Made | None = None

    def make(self) -> None:
        """Its folder of data."""
        made = [program("initdb"), "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*self._as_user, *made], check=True, capture_output=True, cwd=self.folder, timeout=DEADLINE_S)

    def start(self) -> None:
        """Returns when it answers."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Start it. It ends with the thread that has called this."""
        options = [word for name, value in self._settings.items() for word in ("-c", f"{name}={value}")]
        command = [*self._as_user, program("postgres"), "-D", self._data, "-k", str(self.folder), *options]
        with (self.folder / "log").open("ab") as log:
            how: Any = {"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL, "cwd": self.folder}
            self._process = subprocess.Popen(command, **how)

    def until_ready(self) -> None:
        """Returns when it answers."""
        assert self._process is not None
        ready = [program("pg_isready"), "-q", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, self.log

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """It does not wait for those who are connected; with SIGQUIT, not for anything."""
        for kept in self._kept.values():
            kept.close()
        if self._process is not None:
            self._process.send_signal(number)
            try:
                self._process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired as error:
                left = subprocess.run(
                    ["ps", "-o", "pid,wchan,cmd", "--ppid", str(self._process.pid)],
                    capture_output=True,
                    check=False,
                    text=True,
                ).stdout
                raise AssertionError(f"it does not end: {left} {self.log[-2000:]}") from error

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text(errors="replace")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It is not there as long as the context lasts."""
        self.stop()
        yield
        self.start()

    @property
    def socket(self) -> Path:
        """The unix socket it listens on."""
        return self.folder / ".s.PGSQL.5432"

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Ask it, as its administrator."""
        return self._to(database).sql(statement)

    def _to(self, database: str) -> Kept:
        return self._kept.setdefault(database, Kept(self.url(database)))

    @contextmanager
    def database(self, template: str | None = None, *, made: bool = False) -> Iterator[str]:
        """The address of one that is empty, or, `made`, as reactor makes it. It is that of the test before, as if it
        were new: to copy a template of three hundred files for each test would take most of their time, and to make
        reactor's tables as long. A further one at the same time, and a copy of another, are made, and dropped at the
        end."""
        name = MADE if made else DATABASE
        if template is not None or name in self._used:
            name = f"bot{next(self._numbers)}"
            self.sql(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
            try:
                yield self.url(name)
            finally:
                self.sql(f"DROP DATABASE {name} WITH (FORCE)")
            return
        if not self.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        if made and self._made is None:
            with SyncQueue(self.url(name)):
                pass
            self._made = Made(self)
        self._used.add(name)
        try:
            yield self.url(name)
        finally:
            self._to(name).close()
            self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            if not (made and self._made and self._made.is_again()):
                self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", name)
                self._made = None if made else self._made
            self._to(name).close()
            self._used.discard(name)


class Made:
    """The database in which reactor's tables are, and nothing else."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._schema = self._sql(SCHEMA)
        self._tables = [name for (name,) in self._sql("SELECT relname FROM pg_class WHERE relkind = 'r' AND " + OURS)]
        self._numbers = [name for (name,) in self._sql("SELECT relname FROM pg_class WHERE relkind = 'S' AND " + OURS)]
        self._meta = self._sql("SELECT format('(%L, %L)', key, value) FROM reactor_meta")

    def is_again(self) -> bool:
        """Empty its tables. False when that would not do: there are others, or there was much in them."""
        if self._sql(SCHEMA) != self._schema:
            return False
        counted = "+".join(f"(SELECT count(*) FROM {name})" for name in self._tables)
        if self._sql(f"SELECT {counted}")[0][0] > ROWS_MAX:
            return False
        emptied = "; ".join(f"DELETE FROM {name}" for name in self._tables)
        begun = ", ".join(f"setval('{name}', 1, false)" for name in self._numbers)
        self._sql(f"{emptied}; SELECT {begun}")
        self._sql(f"INSERT INTO reactor_meta (key, value) VALUES {', '.join(row for (row,) in self._meta)}")
        return True

    def _sql(self, statement: str) -> list[tuple[Any, ...]]:
        return self._server.sql(statement, MADE)


def program(name: str) -> str:
    """One of the newest version that is installed."""
    versions = sorted(VERSIONS.iterdir(), key=lambda path: int(path.name), reverse=True)
    return str(next(path / "bin" / name for path in versions if (path / "bin" / name).exists()))


@contextmanager
def serving(**settings: str) -> Iterator[Server]:
    """A server for as long as the context lasts. It ends with this process, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="reactor-pg-"))
    server = Server(folder, FAST | settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def pooled(url: str, mode: str) -> Iterator[str]:
    """The address of a pgbouncer before that of a database, with a `pool_mode`."""
    parts = urlsplit(url)
    folder = Path(tempfile.mkdtemp(prefix="reactor-pool-"))
    name, host = parts.path.removeprefix("/"), parse_qs(parts.query)["host"][0]
    (folder / "ini").write_text(
        f"""[databases]
        {name} = host={host} user={USER}
        [pgbouncer]
        pool_mode = {mode}
        listen_addr =
        unix_socket_dir = {folder}
        auth_type = any
        ignore_startup_parameters = extra_float_digits
        """.replace("        ", "")
    )
    as_user = _as_user(folder)
    folder.chmod(0o755)
    log = (folder / "log").open("wb")
    with log, subprocess.Popen([*as_user, needed("pgbouncer"), str(folder / "ini")], stdout=log, stderr=log) as process:
        try:
            there = f"postgresql://{USER}@/{name}?host={quote(str(folder), safe='')}&port=6432"
            while not _answers(there):
                assert process.poll() is None, (folder / "log").read_text()
            yield there
        finally:
            process.send_signal(signal.SIGINT)
            process.terminate()
            process.wait(DEADLINE_S)
    shutil.rmtree(folder, ignore_errors=True)


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _as_user(folder: Path) -> list[str]:
    """What a program is started by, to end with this process; and not as root, which these refuse."""
    by = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:
        user = pwd.getpwnam(USER)
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)
        by += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return by
