"""The servers as the bench uses them: the measuring one, and nginx where speed is all that counts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from contrib.bench.validity import Invalid

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
"""How long something that must happen may take before the run counts as failed."""
END_S = 5.0
SBIN = ("/usr/sbin", "/usr/local/sbin")
"""Where servers are, and not everybody's PATH leads."""
LIMITED = "limited"
"""Below this path nginx gives each connection no more than `LIMIT` bytes a second."""
PACED = "paced"
"""Below this one no more than the argument `rate` says."""
LIMIT = 25 * 1024 * 1024
LARGE = "large.bin"
"""The file whose transfers nginx writes down."""
NGINX = """
daemon off;
worker_processes 1;
pid nginx.pid;
{user}
events {{ worker_connections 256; }}
http {{
  log_format transfer '$request_method $msec $request_time $body_bytes_sent';
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  default_type application/octet-stream;
  client_body_temp_path temporary;
  proxy_temp_path temporary;
  fastcgi_temp_path temporary;
  uwsgi_temp_path temporary;
  scgi_temp_path temporary;
  server {{
    listen 127.0.0.1:{port};
    root "{files}";
    location = /{large} {{ access_log "{transfers}" transfer; }}
    location /{limited}/ {{ alias "{files}/"; limit_rate {rate}; }}
    location /{paced}/ {{ alias "{files}/"; limit_rate $arg_rate; }}
  }}
}}
"""


class MeasuringServer:
    """`contrib.bench.server` and what it has seen so far. Made by `measuring`."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines = lines
        self._seen: dict[tuple[str, str], int] = {}
        self._news = threading.Condition()
        self._port = int(lines.readline())

    def url(self, name: str, size: int, *, hold_s: float = 0, rate: float = 0) -> str:
        """A URL for one sample: each has a name of its own."""
        return f"http://127.0.0.1:{self._port}/{name}?{urlencode({'size': size, 'hold': hold_s, 'rate': rate})}"

    def when(self, what: str, name: str, patience_s: float = PATIENCE_S) -> int:
        """The moment, in ns, at which the server saw it first; waits for it. Raises Invalid when it does not come."""
        with self._news:
            if not self._news.wait_for(lambda: (what, name) in self._seen, patience_s):
                raise Invalid(f"the server never saw `{what}` of {name}")
            return self._seen[what, name]

    def read(self) -> None:
        """Take in what the server says, until it ends."""
        for line in self._lines:
            when, what, name = line.decode().split()
            with self._news:
                self._seen.setdefault((what, name), int(when))
                self._news.notify_all()


@contextmanager
def measuring() -> Iterator[MeasuringServer]:
    """A running measuring server."""
    command = [sys.executable, "-m", "contrib.bench.server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        server = MeasuringServer(process.stdout)
        reader = threading.Thread(target=server.read)
        reader.start()
        try:
            yield server
        finally:
            process.stdin.close()
            reader.join()


def find_nginx() -> str:
    """Where nginx is. Raises Invalid, with what to do, when there is none."""
    found = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN]))
    if found is None:
        raise Invalid("nginx is missing, which serves the large and the many files (Debian: apt install nginx-light)")
    return found


@contextmanager
def nginx(folder: Path) -> Iterator[tuple[Path, str]]:
    """nginx in a folder of its own: (where its files go, the URL they stand under)."""
    files, port = folder / "files", free_port()
    (folder / "temporary").mkdir(parents=True)
    files.mkdir()
    user = "user root;" if os.getuid() == 0 else ""  # its worker would be another user, who may not read here
    conf = folder / "nginx.conf"
    names = {"files": files, "limited": LIMITED, "rate": LIMIT, "paced": PACED, "large": LARGE}
    conf.write_text(NGINX.format(user=user, port=port, transfers=_transfers(files), **names))
    command = [find_nginx(), "-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    with ended(process):
        wait_for_port(port, process)
        yield files, f"http://127.0.0.1:{port}"


def transfer_s(files: Path, size: int) -> float:
    """Seconds from the first GET of the large file to the last of its `size` bytes, by nginx's clock, of which nothing
    is known afterwards. Raises Invalid when nginx has not sent them."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        lines = [line.split() for line in _transfers(files).read_text().splitlines()]
        gets = [(float(end), float(took), int(sent)) for method, end, took, sent in lines if method == "GET"]
        if sum(sent for _, _, sent in gets) >= size:
            _transfers(files).write_text("")
            return max(end for end, _, _ in gets) - min(end - took for end, took, _ in gets)
        time.sleep(0.01)
    raise Invalid(f"nginx has not sent the {size} bytes of {LARGE}: {lines}")


def _transfers(files: Path) -> Path:
    return files.parent / "transfers.log"


def free_port() -> int:
    """A loopback port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens there. Raises Invalid when `process` ends first, or nothing does."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.01)
    raise Invalid(f"{process.args!r} does not listen (exit code {process.poll()})")


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """See to it that the process is over at the end: asked, then killed."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
