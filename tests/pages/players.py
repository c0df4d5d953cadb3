"""The players that people meet, and axe, which looks at our own page, as npm has them: fetched once, in the versions
that `package.json` names.

python -m tests.pages.players           fetches what is missing
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path

from filelock import FileLock

from tests.tools import needed

FOLDER = Path(__file__).parent
MODULES = FOLDER / "node_modules"
FILES = (
    "axe-core/axe.min.js",
    "dashjs/dist/modern/umd/dash.all.min.js",
    "hls.js/dist/hls.min.js",
    "plyr/dist/plyr.css",
    "plyr/dist/plyr.min.js",
    "shaka-player/dist/shaka-player.compiled.js",
    "video.js/dist/video-js.min.css",
    "video.js/dist/video.min.js",
)
FETCH_S = 90.0
"""It takes ten. A test that waits for it is ended after 120."""
INSTALL = ("npm", "install")  # as .npmrc says


@cache
def files() -> dict[str, bytes]:
    """The players' scripts and styles by their names: `hls.min.js`, …"""
    MODULES.mkdir(exist_ok=True)
    with FileLock(MODULES / ".reactor.lock"):
        if not _complete():
            _install()
    return {(MODULES / path).name: (MODULES / path).read_bytes() for path in FILES}


def _complete() -> bool:
    """Whether every player is there, in its version."""
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    told = {name: MODULES / name / "package.json" for name in wanted}
    versions = {name: json.loads(path.read_text("utf-8"))["version"] for name, path in told.items() if path.is_file()}
    return versions == wanted and all((MODULES / path).is_file() for path in FILES)


def _install() -> None:
    how = f"cd {FOLDER} && {' '.join(INSTALL)}"
    wanted = [needed("npm"), *INSTALL[1:]]
    try:
        done = subprocess.run(wanted, cwd=FOLDER, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"npm did not fetch the players within {FETCH_S:g} s; run: {how}") from None
    assert done.returncode == 0, f"npm could not fetch the players ({how}): {done.stderr[-1000:]}"
    assert _complete(), f"npm has fetched other versions than package.json names; delete {MODULES}"


if __name__ == "__main__":
    files()
