# mypy: disable-error-code="import-untyped,misc"
"""Extractors for https://trials.test/WHAT?…: each fails, or answers, in the way that its path names.

yt-dlp loads this file in a process of its own; nothing here is asked of the network.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yt_dlp.networking.exceptions as network
from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.networking import Response
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UserNotLive

GIB = 1024**3
MP4 = {"url": "https://media.test/film.mp4", "ext": "mp4"}
FOREVER_S = 3600


class TrialsIE(InfoExtractor):
    """See the module."""

    _VALID_URL = r"https?://trials\.test/(?P<id>\w+)"

    def _real_extract(self, url: str) -> dict[str, Any]:
        what = self._match_id(url)
        asked = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        found = getattr(self, f"_{what}")(asked)
        return {"id": what, "title": f"The {what}", **found} if isinstance(found, dict) else found

    # Answers

    def _film(self, _: dict[str, str]) -> dict[str, Any]:
        return dict(MP4)

    def _told(self, asked: dict[str, str]) -> dict[str, Any]:
        """The info dict that stands in the file `path`."""
        found: dict[str, Any] = json.loads(Path(asked["path"]).read_text())
        if "cookie" in found:
            self._set_cookie(*found.pop("cookie"))
        return found

    def _surroundings(self, _: dict[str, str]) -> dict[str, Any]:
        """What the process sees, as its title."""
        seen = {
            "folder": [path.name for path in Path.cwd().iterdir()],
            "home": str(Path.home()),
            "cwd": str(Path.cwd()),
            "environment": sorted(os.environ),
            "modules": sorted(name for name in sys.modules if name.split(".")[0] == "reactor"),
            "plugins": sorted(name for name in sys.modules if name.startswith("yt_dlp_plugins.")),
            "arguments": sys.orig_argv,
        }
        return {**MP4, "title": json.dumps(seen)}

    def _count(self, _: dict[str, str]) -> dict[str, Any]:
        """The title is the number of the process."""
        return {**MP4, "title": str(os.getpid())}

    def _list(self, asked: dict[str, str]) -> dict[str, Any]:
        entries = (self.url_result(f"https://trials.test/film?{n}") for n in range(int(asked["n"])))
        return {"_type": asked.get("type", "playlist"), "entries": entries}

    def _told_list(self, asked: dict[str, str]) -> dict[str, Any]:
        def entry() -> dict[str, Any]:
            raise AssertionError("nobody needs to walk a list whose length is told")

        return {"_type": "playlist", "playlist_count": int(asked["n"]), "entries": iter(entry, None)}

    def _endless(self, _: dict[str, str]) -> dict[str, Any]:
        """A mix, whose next entry is always there."""
        return {"_type": "playlist", "entries": (self.url_result(f"https://trials.test/film?{n}") for n in count())}

    def _nested(self, _: dict[str, str]) -> dict[str, Any]:
        """A list that stands inside another one, and names none of its own."""
        first, *others = (self.url_result(f"https://trials.test/film?{n}") for n in range(3))
        return {"_type": "playlist", "entries": [first, {"_type": "playlist", "entries": others}]}

    def _mixed(self, _: dict[str, str]) -> dict[str, Any]:
        entries: list[Any] = [self.url_result("https://trials.test/film?1", "Trials", "One", "One"), "nonsense"]
        entries += [self.url_result("https://trials.test/film?2"), self.url_result("file:///etc/passwd")]
        return {"_type": "playlist", "entries": entries}

    def _post(self, _: dict[str, str]) -> dict[str, Any]:
        """Several pictures, and a film between them, none of which has a page of its own."""
        names = ("one.jpg", "two.png", "film.mp4", "one.jpg")
        entries = [
            {"id": name, "title": f"Picture {n}", "url": f"https://media.test/{name}"}
            for n, name in enumerate(names, 1)
        ]
        return {"_type": "playlist", "title": "A post", "entries": entries}

    def _several(self, _: dict[str, str]) -> dict[str, Any]:
        told: list[dict[str, Any]] = [{"url": f"https://media.test/{n}.mp4", "height": n} for n in (240, 480, 720)]
        told.append({"url": "rtmp://media.test/1080", "height": 1080})
        return {"formats": [{"ext": "mp4", "format_id": str(each["height"]), **each} for each in told]}

    def _announced(self, asked: dict[str, str]) -> dict[str, Any]:
        at = int(time.time()) + int(asked["in"])
        return {"formats": [], "live_status": "is_upcoming", "release_timestamp": at}

    # Errors that a site or yt-dlp raises

    def _says(self, asked: dict[str, str]) -> dict[str, Any]:
        raise ExtractorError(asked["text"], expected="unexpected" not in asked)

    def _geo(self, _: dict[str, str]) -> dict[str, Any]:
        raise GeoRestrictedError("Only there.", countries=["IS"])

    def _login(self, _: dict[str, str]) -> dict[str, Any]:
        self.raise_login_required()
        return {}

    def _drm(self, _: dict[str, str]) -> dict[str, Any]:
        return {"formats": [{**MP4, "has_drm": True}]}

    def _not_live(self, _: dict[str, str]) -> dict[str, Any]:
        raise UserNotLive

    def _status(self, asked: dict[str, str]) -> dict[str, Any]:
        response = Response(io.BytesIO(), "https://trials.test/", {"Retry-After": "17"}, status=int(asked["status"]))
        raise ExtractorError("Unable to download JSON metadata", cause=network.HTTPError(response))

    def _broken(self, _: dict[str, str]) -> dict[str, Any]:
        return {"title": [][0]}

    # Answers that make no sense

    def _no_url(self, _: dict[str, str]) -> dict[str, Any]:
        return {"formats": [{"ext": "mp4", "format_id": "one"}]}

    def _nothing(self, _: dict[str, str]) -> None:
        return None

    def _no_id(self, _: dict[str, str]) -> dict[str, Any]:
        return {**MP4, "id": None}

    def _loop(self, _: dict[str, str]) -> Any:
        return self.url_result("https://trials.test/loop")

    # Ways to go wrong altogether

    def _prints(self, _: dict[str, str]) -> dict[str, Any]:
        print('{"id": 1, "suits": "nonsense"}', flush=True)  # noqa: T201
        os.write(1, b"garbage\n" * 100_000)
        assert not sys.stdin.read()
        return dict(MP4)

    def _writes_into_the_answer(self, _: dict[str, str]) -> dict[str, Any]:
        """Finds the stream of the answers, which nothing but malice does."""
        for number in range(3, 64):
            try:
                if str(Path(f"/proc/self/fd/{number}").readlink()).startswith(("pipe:", "socket:")):
                    os.write(number, b"garbage\n")
            except OSError:
                continue
        return dict(MP4)

    def _endless_answer(self, _: dict[str, str]) -> dict[str, Any]:
        return {**MP4, "http_headers": {"X-Long": "x" * 40_000_000}}

    def _hangs(self, asked: dict[str, str]) -> dict[str, Any]:
        Path(asked["path"]).write_text(str(os.getpid()))
        time.sleep(FOREVER_S)
        return {}

    def _hangs_with_a_child(self, asked: dict[str, str]) -> dict[str, Any]:
        child = subprocess.Popen(["sleep", str(FOREVER_S)])
        Path(asked["path"]).write_text(f"{os.getpid()} {child.pid}")
        child.wait()
        return {}

    def _hangs_deaf(self, asked: dict[str, str]) -> dict[str, Any]:
        """Holds the interpreter's lock: no signal handler of Python runs."""
        import re

        Path(asked["path"]).write_text(str(os.getpid()))
        re.match(r"(a+)+$", "a" * 64 + "b")
        return {}

    def _dies(self, _: dict[str, str]) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGSEGV)
        return {}

    def _dies_once(self, asked: dict[str, str]) -> dict[str, Any]:
        mark = Path(asked["path"])
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return dict(MP4)

    def _exits(self, _: dict[str, str]) -> dict[str, Any]:
        sys.exit(3)

    def _allocates(self, _: dict[str, str]) -> dict[str, Any]:
        kept: list[Callable[[], int]] = []
        while True:
            kept.append(bytearray(GIB // 16).__len__)

    def _grows(self, _: dict[str, str]) -> dict[str, Any]:
        """Leaks, and answers."""
        GROWN.append(bytearray(b"x" * (GIB // 8)))
        return dict(MP4)


GROWN: list[bytearray] = []
