"""Says when yt-dlp has grown old: at the start, and then once a day."""

from __future__ import annotations

import anyio
from anyio import to_thread

from reactor import notices
from reactor.daemon import clock
from reactor.daemon.leaving import Leaving
from reactor.extractors.ytdlp.age import age_days, installed_version, is_old
from reactor.journal.journal import Journal

DAY_S = 24 * 3600.0


async def tell_outdated(journal: Journal, leaving: Leaving) -> None:
    """Until the process is asked to end."""
    while True:
        version = await to_thread.run_sync(installed_version)
        if leaving.asked.is_set():
            return  # nothing follows the reactor's last line
        if version is not None and is_old(version, clock.today()):
            journal.tell(notices.YtdlpOutdated(version=version, days=age_days(version, clock.today()) or 0))
        await anyio.sleep(DAY_S)
