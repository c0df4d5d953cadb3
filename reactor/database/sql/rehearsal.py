"""The way of a row through the statements, as it is tried out on a copy of the bot's table."""

from __future__ import annotations

from reactor.core import commands
from reactor.core.job import Attempt
from reactor.database.sql.saving import Unit
from reactor.errors import Failure
from reactor.models import Kind, ResultFile, Stage, Upload
from reactor.plan import Extraction, Fetch, Finish

NOW = 1_800_000_000.0
MOMENT = "2027-01-15 08:00:00.000"
IDS = (1, 2)
"""Two rows, so that what must be unique meets its like."""
STATUSES = "pending, downloading, downloaded, cancelled and failed"
TOLD = frozenset(
    {
        *("url", "added_date", "title", "file_size", "file_path", "url_type", "error", "error_code", "notes"),
        *("media_key", "mime_type", "duration_s", "width", "height", "thumbnail_path", "files", "file_url", "machine"),
    }
)
"""What these hold depends on the download: a CHECK of them may let in some."""
UPLOAD = Upload(
    mime_type="video/mp4",
    duration_s=1.5,
    width=320,
    height=240,
    thumbnail_path="/downloads/a.jpg",
    files=(ResultFile(path="a.mp4", bytes=1),),
    file_url="https://files.example/a.bin",
)


def steps(attempt: Attempt) -> list[Unit]:
    """What is written while it is under way."""
    fetch = Fetch(urls=("http://host.example/a",), name="a.bin", size=1000)
    plan = Extraction(
        kind=Kind.DIRECT,
        title="A title",
        fetches=(fetch,),
        finish=Finish(how="file", name="a.bin", media_key="file:0123"),
    )
    return [
        commands.SaveStage(attempt, Stage.EXTRACTING, Kind.DIRECT),
        commands.SavePlan(attempt, plan),
        commands.ProgressOf(attempt, 33.33, 1_000_000, 7, 1000, "A title"),
        commands.ProgressOf(attempt, None, 0, None, None),
    ]


def endings(attempt: Attempt) -> list[Unit]:
    """What may be written at its end."""
    failure = Failure("timeout", "The server stopped answering.")
    return [
        commands.SaveDownloaded(attempt, "/downloads/a.bin", 1000, "A title", notes="A note.", upload=UPLOAD),
        commands.SaveWaiting(attempt, failure, 1, 30.5),
        commands.SaveWaiting(attempt, None, 0, 0.0, yielded=True),
        commands.SaveFailed(attempt, failure, Kind.DIRECT),
        commands.SaveCancelled(attempt),
    ]
