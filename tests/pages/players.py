"""The players that people meet, and axe, which looks at our own page, as npm has them: fetched once, in the versions
that `package.json` names.

python -m tests.pages.players           fetches what is missing
"""

from __future__ import annotations

import json
import subprocess
import tarfile
from functools import cache
from pathlib import Path

from filelock import FileLock

from tests.tools import needed

FOLDER = Path(__file__).parent
FETCHED = FOLDER / "fetched"
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
"""It takes five. A test that waits for it is ended after 120."""
PACK = ("npm", "pack", "--silent", "--ignore-scripts")
"""`npm install` would unpack 7,000 files more."""


@cache
def files() -> dict[str, bytes]:
    """The players' scripts and styles by their names: `hls.min.js`, …"""
    versions: dict[str, str] = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    places = {path: FETCHED / f"{path.partition('/')[0]}-{versions[path.partition('/')[0]]}" for path in FILES}
    FETCHED.mkdir(exist_ok=True)
    with FileLock(FETCHED / ".lock"):
        missing = {place.name: place for path, place in places.items() if not (place / Path(path).name).is_file()}
        if missing:
            _pack([f"{name}@{version}" for name, version in versions.items() if f"{name}-{version}" in missing])
        for path, place in places.items():
            if place.name in missing:
                _unpack(place, path.partition("/")[2])
        for place in missing.values():
            place.with_name(f"{place.name}.tgz").unlink()
    return {Path(path).name: (place / Path(path).name).read_bytes() for path, place in places.items()}


def _pack(wanted: list[str]) -> None:
    how = f"cd {FETCHED} && {' '.join(PACK)} {' '.join(wanted)}"
    command = [needed("npm"), *PACK[1:], *wanted]
    try:
        done = subprocess.run(command, cwd=FETCHED, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"npm did not fetch the players within {FETCH_S:g} s; run: {how}") from None
    assert done.returncode == 0, f"npm could not fetch the players ({how}): {done.stderr[-1000:]}"


def _unpack(place: Path, path: str) -> None:
    with tarfile.open(place.with_name(f"{place.name}.tgz")) as packed:
        found = packed.extractfile(f"package/{path}")
        assert found is not None, f"{place.name} has no {path}"
        place.mkdir(exist_ok=True)
        (place / Path(path).name).write_bytes(found.read())


if __name__ == "__main__":
    files()
