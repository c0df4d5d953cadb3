"""See reactor work, without the internet: a slow server on this machine, `reactor get`, and a look at the bytes.

    python contrib/demo.py [--folder FOLDER] [--size MiB] [--rate MiB/s] [--picture FILE.svg]

`--picture` keeps what the terminal showed half way. It runs the command on a terminal of its own for that,
so it needs a system with pseudo-terminals.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MIB = 1024 * 1024
PIECE = 16 * 1024
"""Bytes sent at a time."""
WIDTH = 100
"""Columns of the picture."""
SHARES = {"sunrise-over-the-harbour.mp4": 1.0, "birds-of-the-marsh.flac": 0.5, "trail-map.pdf": 0.1}
"""The files, and how long each is beside the longest."""


class Shop(ThreadingHTTPServer):
    """Serves files at a limited rate, shared by all who ask, and understands byte ranges."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], rate: int) -> None:
        super().__init__(("127.0.0.1", 0), Counter)
        self.files = files
        self.rate = rate
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait_turn(self, size: int) -> None:
        """Return when `size` more bytes fit into the rate."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / self.rate
            wait = self._free_at - time.monotonic()
        time.sleep(max(0.0, wait))

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves early is nothing to tell about."""


class Counter(BaseHTTPRequestHandler):
    """Hands out a file, or the part of it that was asked for."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_HEAD(self) -> None:
        if (content := self._content()) is not None:
            self._send_headers(content)

    def do_GET(self) -> None:
        if (content := self._content()) is None:
            return
        first, last = self._send_headers(content)
        for start in range(first, last + 1, PIECE):
            piece = content[start : min(start + PIECE, last + 1)]
            self.server.wait_turn(len(piece))
            self.wfile.write(piece)

    def _content(self) -> bytes | None:
        """What was asked for; None when there is no such file, which is said."""
        content = self.server.files.get(self.path[1:])
        if content is None:
            self.send_error(404)
        return content

    def _send_headers(self, content: bytes) -> tuple[int, int]:
        size = len(content)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), min(int(asked[2] or size - 1), size - 1)) if asked else (0, size - 1)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        return first, last

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the terminal belongs to reactor."""


@contextmanager
def serving(files: dict[str, bytes], rate: int) -> Iterator[list[str]]:
    """Serve `files` at `rate` bytes/s; their URLs."""
    with Shop(files, rate) as shop:
        thread = threading.Thread(target=shop.serve_forever)
        thread.start()
        try:
            yield [f"http://127.0.0.1:{shop.server_port}/{name}" for name in files]
        finally:
            shop.shutdown()
            thread.join()


def reactor() -> list[str]:
    """The command of the environment this runs in."""
    script = shutil.which("reactor", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "reactor"]


def fetch(urls: list[str], folder: Path) -> list[Path]:
    """Run `reactor get`, its live view on our terminal; the paths it printed."""
    print("$ " + typed(urls), flush=True)
    command = [*reactor(), "get", "--dir", str(folder), *urls]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"reactor get ended with {done.returncode}.")
    return [Path(line) for line in done.stdout.splitlines()]


def typed(urls: list[str]) -> str:
    """The command as a person would type it."""
    return " \\\n    ".join(["reactor get", *urls])


class Screen:
    """As much of a terminal as rich's live view uses: lines, going up, clearing a line."""

    def __init__(self) -> None:
        self.lines = [""]
        self._row = 0

    def feed(self, text: str) -> None:
        """Do what `text` says."""
        for part in re.split(r"(\r?\n|\r|\x1b\[\??[0-9;]*[A-Za-z])", text):
            if part.endswith("\n"):
                self._row += 1
                self.lines += [""] * (self._row + 1 - len(self.lines))
            elif up := re.fullmatch(r"\x1b\[(\d*)A", part):
                self._row = max(0, self._row - int(up[1] or 1))
            elif part == "\x1b[2K":
                self.lines[self._row] = ""
            elif re.fullmatch(r"\r|\x1b\[\?.*|\x1b\[[0-9;]*[^mA]", part) is None:
                self.lines[self._row] += part

    def __str__(self) -> str:
        return "\n".join(self.lines).rstrip()


def fetch_on_screen(urls: list[str], folder: Path) -> tuple[list[Path], str]:
    """Run `reactor get` on a terminal of its own; the paths it printed, and what the terminal showed half way."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
    look = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": str(WIDTH)}
    command = [*reactor(), "get", "--dir", str(folder), *urls]
    process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=look, text=True)
    os.close(theirs)
    screen, frames = Screen(), [""]
    while shown := _read(ours):
        screen.feed(shown)
        frames.append(str(screen))
    os.close(ours)
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"reactor get ended with {process.returncode}:\n{screen}")
    return [Path(line) for line in out.splitlines()], most_telling(frames)


def most_telling(frames: list[str]) -> str:
    """The latest frame in which the most is going on: something is done, something moves."""
    return max(enumerate(frames), key=lambda frame: (min(frame[1].count(" left"), 2), "✓" in frame[1], frame[0]))[1]


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # the other end is closed
        return ""


def save_picture(shown: str, command: str, title: str, picture: Path) -> None:
    """Draw a command and what the terminal showed."""
    import io

    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(shown))
    drawn = console.export_svg(title=title)
    # A picture in a README loads no fonts from elsewhere: any monospace font will do.
    plain = re.sub(r"\s*@font-face \{.*?\}", "", drawn, flags=re.DOTALL)
    # Without it, some programs leave out the spaces that a piece of text begins with.
    picture.write_text(plain.replace("<svg ", '<svg xml:space="preserve" ', 1), encoding="utf-8")
    print(f"{picture}: what the terminal showed")


def main() -> None:
    """Serve, fetch, compare."""
    parser = argparse.ArgumentParser(description="Fetch files from a slow server on this machine with reactor.")
    parser.add_argument("--folder", type=Path, help="where the files go and stay (default: a temporary folder)")
    parser.add_argument("--size", type=int, default=64, help="MiB of the longest file (default: 64)")
    parser.add_argument("--rate", type=float, default=16, help="MiB/s of the server (default: 16)")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw what the terminal showed half way")
    wanted = parser.parse_args()
    content = random.Random(7).randbytes(wanted.size * MIB)
    files = {name: content[: int(len(content) * share)] for name, share in SHARES.items()}
    with (
        tempfile.TemporaryDirectory(prefix="reactor-demo-") as temporary,
        serving(files, int(wanted.rate * MIB)) as urls,
    ):
        folder = wanted.folder or Path(temporary)
        if wanted.picture:
            paths, shown = fetch_on_screen(urls, folder)
            save_picture(shown, typed(urls), "reactor get", wanted.picture)
        else:
            paths = fetch(urls, folder)
        for path, sent in zip(paths, files.values(), strict=True):
            if path.read_bytes() != sent:
                raise SystemExit(f"{path} is not what the server sent.")
            print(f"{path}: {len(sent)} bytes, the same as the server's")


if __name__ == "__main__":
    main()
