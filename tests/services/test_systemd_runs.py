"""The units of contrib/systemd where systemd runs them: installed as their README says, word for word."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.bots.evening import BODY, STALLED, evening
from tests.bots.telegram import ANN, BOB, BotApi
from tests.cli.command import ROOT
from tests.guides import blocks
from tests.media.samples import Samples
from tests.real.swarm import swarm_in
from tests.servers import FileServer
from tests.services.booted import booted

GUIDE = ROOT / "contrib" / "systemd" / "README.md"
COPY = "/srv/reactor"
OURS = {
    "reactor": "ALLOWED_PRIVATE_HOSTS=127.0.0.0/8 MAX_CONCURRENT_DOWNLOADS=1 HOST_MAX=0 YTDLP_FORMAT=best",
    "telegram-bot": "EDIT_INTERVAL=0.1 BOT_API_URL={url}",
    "telegram-uploader": "EDIT_INTERVAL=0.1 BOT_API_URL={url}",
}
"""What the units are told beside what they are told there, as `systemctl edit` does it."""


def rows_of(database: Path) -> list[Mapping[str, Any]]:
    with closing(sqlite3.connect(database)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute("SELECT * FROM downloads ORDER BY id")]


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.needs("unshare", "systemd-analyze")
async def test_bot_uploader_and_reactor_serve_an_evening_and_outlive_a_kill(tmp_path: Path, samples: Samples) -> None:
    install, add_bot, *_ = (block.text for block in blocks(GUIDE) if block.language == "sh")
    database = tmp_path / "state" / "downloads.db"
    async with (
        BotApi() as api,
        FileServer() as server,
        FileServer() as other,
        swarm_in(tmp_path / "swarm") as swarm,
        booted(tmp_path) as there,
    ):
        shutil.copytree(ROOT, f"/proc/{there.pid}/root{COPY}", dirs_exist_ok=True, ignore=_built)
        for unit, told in OURS.items():
            told = told.format(url=api.url)
            place = f"/etc/systemd/system/{unit}.service.d"
            await there.run(f"mkdir -p {place}; printf '[Service]\\nEnvironment=%s\\n' '{told}' >{place}/tests.conf")
        await there.run(install, folder=COPY)
        await there.run(add_bot.replace(f"ALLOWED_USERS={ANN}", f"ALLOWED_USERS={ANN},{BOB}"), folder=COPY)
        await evening(api, server, swarm, samples, lambda: rows_of(database))
        assert "Idle" in await there.run("systemctl status reactor --no-pager")
        again = api.say(other.put("/again.bin", BODY, stall_after=STALLED))
        await api.until(lambda: any(request.sent == STALLED for request in other.log))
        await there.run("systemctl kill --signal=KILL reactor")
        other.release()
        await api.until(lambda: "Here it is" in api.told(again))
        await there.run("systemctl stop reactor telegram-bot telegram-uploader")
        left = await there.run("systemctl list-units --type=service --state=running --no-legend; ps ax")
    assert not [line for line in left.splitlines() if "reactor" in line or "aria2c" in line]


def _built(folder: str, names: list[str]) -> set[str]:
    """What is no part of a copy of the repository."""
    return {name for name in names if name in (".git", "fetched", "__pycache__") or name.startswith((".venv", ".mypy"))}
