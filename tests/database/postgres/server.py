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
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

PROGRAM = "pg_ctlcluster"
"""Of Debian's package; the server's own programs stand in a folder for each version."""
VERSIONS = Path("/usr/lib/postgresql")
USER = "postgres"
DATABASE = "bot"
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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._there = False

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Ask it, as its administrator."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of one that is empty: that of the test before, as if it were new. To copy a template of three
        hundred files for each test would take most of their time."""
        if not self._there:
            self.sql(f"CREATE DATABASE {DATABASE} TEMPLATE template0")
            self._there = True
        yield self.url(DATABASE)
        self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")
        self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public", DATABASE)


def program(name: str) -> str:
    """One of the newest version that is installed."""
    versions = sorted(VERSIONS.iterdir(), key=lambda path: int(path.name), reverse=True)
    return str(next(path / "bin" / name for path in versions if (path / "bin" / name).exists()))


@contextmanager
def serving(**settings: str) -> Iterator[Server]:
    """A server for as long as the context lasts. It ends with this process, however that ends."""
    folder = Path(tempfile.mkdtemp(prefix="reactor-pg-"))
    try:
        with _running(folder, FAST | settings):
            yield Server(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path, settings: dict[str, str]) -> Iterator[None]:
    as_user = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:  # which it refuses to run as
        user = pwd.getpwnam(USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data = str(folder / "data")
    made = [program("initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*as_user, *made], check=True, capture_output=True, cwd=folder, timeout=DEADLINE_S)
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    log = (folder / "log").open("wb")
    with (
        log,
        subprocess.Popen(
            [*as_user, program("postgres"), "-D", data, "-k", str(folder), *options],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=folder,
        ) as process,
    ):
        try:
            ready = [program("pg_isready"), "-q", "-h", str(folder)]
            while subprocess.run(ready, check=False).returncode:
                assert process.poll() is None, (folder / "log").read_text()
            yield
        finally:
            process.send_signal(signal.SIGINT)  # does not wait for those who are connected
            process.wait(DEADLINE_S)
