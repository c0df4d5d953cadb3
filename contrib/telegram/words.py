"""What the bot says of a row, in Telegram's HTML. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from reactor.choices import Choices, FileChoice
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
    "quota": "🕑 That is enough for today: it begins tomorrow.",
    "yielded": "🕑 It lets others have a turn, and goes on then.",
}
NOT_SENT = {
    "gone": "The file is not on this machine any more.",
    "empty": "It is empty, and Telegram takes no empty files.",
    "too_large": "Too large for Telegram, which takes {limit} from a bot: {names}. It stays on the server.",
    "refused_large": "Too large for Telegram: {name}. It stays on the server.",
    "away": "Telegram cannot be reached, or breaks off: {name} stays on the server.",
    "refused": "Telegram did not take {name}: {why}",
    "unreadable": "The file cannot be read: {why}.",
    "stopped": "It was stopped before it was sent.",
}
"""Why a file stays here, by what upload.py calls it."""
SETTINGS_HELP = "Press a button, or say it: <code>/settings 720p subtitles de,en</code>, <code>/settings reset</code>."


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


def sentence(error: Exception) -> str:
    """What an error says to the person who caused it."""
    return escape(plain(str(getattr(error, "message", error)), SENTENCE_MAX))


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


def moment(seconds: float) -> str:
    """Seconds since the epoch for a person: `2 Dec, 14:05 UTC`."""
    then = datetime.fromtimestamp(min(max(seconds, 0.0), 4e9), UTC)
    return f"{then.day} {then:%b, %H:%M} UTC"


def picked(row: Download) -> tuple[str, ...]:
    """What is marked of a question by now, as codes of its choices."""
    known = {each.c for each in row.choices.all} if row.choices else set()
    return tuple(code for code in str(row.extra.get("picked") or "").split(",") if code in known)


def about_settings(options: Mapping[str, Any]) -> str:
    """What somebody always wants."""
    quality, wanted = options.get("quality", "best"), options.get("want", "auto")
    sound = (options.get("audio") or {}).get("format", "best") if wanted == "audio" else None
    languages = ", ".join((options.get("subtitles") or {}).get("languages", ())) or "none"
    said = {
        "Quality": f"{quality}p" if isinstance(quality, int) else quality,
        "Sound alone": "no" if sound is None else "as it is" if sound == "best" else sound,
        "Subtitles": languages,
        "Ask first": {"never": "no", "all": "yes"}.get(options.get("ask", "never"), options.get("ask", "")),
    }
    lines = [f"{name}: <b>{escape(plain(str(value), 60))}</b>" for name, value in said.items()]
    return "\n".join(["What I fetch for you, unless you say otherwise with a link:", *lines, "", SETTINGS_HELP])


def bar(percent: float) -> str:
    """A bar of a fixed length."""
    full = round(min(100.0, max(0.0, percent)) / 100 * BAR)
    return "▓" * full + "░" * (BAR - full)


def _state(row: Download) -> str:
    upload_error = row.extra.get("upload_error")
    match row.status:
        case "pending" | "downloading" | "choosing" | "uploading" if row.cancelled:
            return "✋ Stopping …"
        case "choosing":
            return _question(row)
        case "pending":
            return STAGES[row.stage] if row.stage in ("waiting", "quota", "yielded") else "🕑 In the queue"
        case "downloading":
            return _under_way(row)
        case "downloaded" if upload_error:
            return f"✅ Downloaded{_size_of(row)}.\n⚠️ {escape(plain(_not_sent(upload_error), SENTENCE_MAX))}"
        case "downloaded" if row.items_total is not None:
            return f"✅ {_entries(row)}" + _but(row.error, _not_sent(row.extra.get("unsent")), row.notes)
        case "downloaded":
            return f"✅ Downloaded{_size_of(row)}" + _but(row.notes)
        case "uploading":
            return _sending(row)
        case "uploaded":
            return f"📨 Here it is{_size_of(row)}" + _but(row.notes)
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


def _sending(row: Download) -> str:
    count = row.extra.get("sent_bytes")
    if not row.file_size or not isinstance(count, int) or count <= 0:
        return f"⬆️ Sending{_size_of(row)} …"
    percent = min(100.0, 100 * count / row.file_size)
    return f"⬆️ {bar(percent)} {percent:.0f} %\n{size(min(count, row.file_size))} of {size(row.file_size)} sent"


def _not_sent(said: object) -> str:
    """The sentence of an `upload_error`; empty for none."""
    try:
        values = json.loads(str(said or "{}"))
        return NOT_SENT[values["code"]].format(**values) if values else ""
    except (ValueError, KeyError, TypeError):
        return str(said)


def _entries(row: Download) -> str:
    return f"{row.items_done or 0} of {row.items_total} came"


def _but(*sentences: object) -> str:
    """What is not as it was wanted, a line for each sentence."""
    known = [escape(plain(str(one), SENTENCE_MAX)) for one in sentences if one]
    return "".join(f"\n⚠️ {one}" for one in known)


def _question(row: Download) -> str:
    """What a row asks; its buttons have the answers."""
    if (found := row.choices) is None:
        return "❓ What is to be fetched?"
    lines = [f"❓ {_asked(found)}"]
    if marked := picked(row):
        known = sum(each.bytes for each in found.all if each.c in marked and isinstance(each, FileChoice))
        lines.append(f"Marked: {len(marked)}{f', {size(known)}' if known else ''}.")
    if row.next_attempt_at is not None:
        then = "nothing is fetched" if found.unanswered == "fail" else "I take what is usual"
        lines.append(f"Without an answer until {moment(row.next_attempt_at)} {then}.")
    return "\n".join(lines)


def _asked(found: Choices) -> str:
    for kind, told, total in (
        ("files", found.files, found.files_total),
        ("entries", found.items, found.items_total),
    ):
        if told:
            more = f" These are the first {len(told)}." if total is not None and total > len(told) else ""
            return f"Which of the {total or len(told)} {kind}?{more}"
    return "Which quality?"


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
