"""What the bot says of a row, in Telegram's HTML. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

from reactor.models import Download

if TYPE_CHECKING:
    from reactor import RunnerStatus

TITLE_MAX = 120
"""Characters of a title that are shown."""
SENTENCE_MAX = 600
BAR = 12
"""Signs of a full bar."""
STAGES = {
    "detecting": "🔎 Looking at the link …",
    "extracting": "🔎 Finding out what there is to fetch …",
    "metadata": "🔎 Asking peers what it is …",
    "listing": "🔎 Reading the list …",
    "waiting": "🕑 That did not work; it is tried again soon.",
}


def about(row: Download) -> str:
    """The text of a row's message: what it is, and how it goes."""
    return f"<b>{escape(name_of(row))}</b>\n{_state(row)}"


def in_short(row: Download) -> str:
    """One line of a list."""
    going = f", {row.progress:.0f} %" if row.status == "downloading" and row.progress is not None else ""
    return f"#{row.id} {escape(name_of(row))} ({escape(plain(row.stage or row.status, 40))}{going})"


def about_reactor(status: RunnerStatus, now: float) -> str:
    """How the downloader's process is. `now` and its moments are seconds since the epoch."""
    since = f" for {duration(now - status.since)}" if status.since else ""
    lines = [f"Downloader: <b>{status.state}</b>{since}"]
    known = {"process": status.pid, "reactor": status.version, "aria2": status.aria2, "restarts": status.restarts}
    lines.append(", ".join(f"{name} {escape(plain(str(what), 40))}" for name, what in known.items() if what))
    if status.error and status.state != "running":
        lines.append(f"⚠️ {escape(plain(status.error, SENTENCE_MAX))}")
    return "\n".join(filter(None, [*lines, *map(in_short, status.under_way)]))


def name_of(row: Download) -> str:
    """The title, or what the link says; clean, short, not escaped."""
    return plain(row.title or "", TITLE_MAX) or plain(_name_in(row.url), TITLE_MAX) or f"Download {row.id}"


def plain(text: str, most: int) -> str:
    """One line of at most `most` characters, without signs that cannot be seen or turn the text around."""
    seen = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * most])
    line = " ".join(seen.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def size(count: float) -> str:
    """Bytes for a person: `12.4 MB`."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} bytes"


def duration(seconds: float) -> str:
    """Seconds for a person: `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bar(percent: float) -> str:
    """A bar of a fixed length."""
    full = round(min(100.0, max(0.0, percent)) / 100 * BAR)
    return "▓" * full + "░" * (BAR - full)


def _state(row: Download) -> str:
    upload_error = row.extra.get("upload_error")
    match row.status:
        case "pending" | "downloading" if row.cancelled:
            return "✋ Stopping …"
        case "pending":
            return STAGES["waiting"] if row.stage == "waiting" else "🕑 In the queue"
        case "downloading":
            return _under_way(row)
        case "downloaded" if upload_error:
            return f"✅ Downloaded{_size_of(row)}.\n⚠️ {escape(plain(str(upload_error), SENTENCE_MAX))}"
        case "downloaded" if row.items_total is not None:
            return f"✅ {_entries(row)}" + (f".\n⚠️ {escape(plain(row.error, SENTENCE_MAX))}" if row.error else "")
        case "downloaded":
            return f"✅ Downloaded{_size_of(row)}"
        case "uploading":
            return f"⬆️ Sending{_size_of(row)} …"
        case "uploaded":
            return f"📨 Here it is{_size_of(row)}"
        case "cancelled":
            return "✋ Cancelled"
        case "failed":
            return f"❌ {escape(plain(row.error or 'It failed.', SENTENCE_MAX))}"
        case other:
            return escape(plain(other, 40))


def _under_way(row: Download) -> str:
    if row.stage in STAGES:
        return STAGES[row.stage]
    percent = row.progress or 0.0
    lines = [f"{'🧩 Joining' if row.stage == 'finishing' else '⬇️'} {bar(percent)} {percent:.0f} %"]
    if row.items_total is not None:
        return "\n".join([*lines, _entries(row)])
    known = [f"{size(row.file_size * percent / 100)} of {size(row.file_size)}"] if row.file_size else []
    if row.download_speed:
        known.append(f"{size(row.download_speed * 1024 * 1024)}/s")
    if row.eta_seconds is not None:
        known.append(f"{duration(row.eta_seconds)} left")
    return "\n".join([*lines, " · ".join(known)]).rstrip()


def _entries(row: Download) -> str:
    return f"{row.items_done or 0} of {row.items_total} came"


def _size_of(row: Download) -> str:
    return f" ({size(row.file_size)})" if row.file_size else ""


def _name_in(url: str) -> str:
    """What a link says of itself: the magnet's name, or the file's, or the host."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() == "magnet":
            return parse_qs(parts.query).get("dn", ["magnet link"])[0]
        return PurePath(unquote(parts.path)).name or parts.hostname or ""
    except ValueError:
        return ""
