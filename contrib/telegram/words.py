"""What the bot says of a row, in Telegram's HTML. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from texts import Texts, texts_for

from reactor.choices import Choices, FileChoice
from reactor.models import Download, Position

if TYPE_CHECKING:
    from store import Stats

    from reactor import RunnerStatus

TITLE_MAX = 120
"""Characters of a title that are shown."""
SENTENCE_MAX = 600
BAR = 12
"""Signs of a full bar."""
STAGES = ("detecting", "extracting", "metadata", "listing", "waiting", "quota", "yielded")
"""Those that have a sentence of their own."""


def about(row: Download) -> str:
    """The text of a row's message: what it is, and how it goes."""
    return f"<b>{escape(name_of(row))}</b>\n{_state(row)}"


def texts_of(row: Download) -> Texts:
    """Those of the language in which a row was asked for."""
    return texts_for(row.extra.get("language"))


def in_short(row: Download, place: str = "") -> str:
    """One line of a list; `place` is where a row that waits stands."""
    going = f", {row.progress:.0f} %" if row.status == "downloading" and row.progress is not None else ""
    return f"#{row.id} {escape(name_of(row))} ({place or escape(plain(row.stage or row.status, 40))}{going})"


def place_of(position: Position, t: Texts) -> str:
    """Where a row stands, why it waits, and about how long."""
    turn = position.why == "turn"
    said = t("place_next") if turn and not position.ahead else t(f"place_{position.why}", n=position.ahead)
    minutes = round((position.about_s or 0.0) / 60 + 0.3)
    return ", ".join([said, t("place_minutes", n=minutes)] if minutes else [said])


def about_stats(stats: Stats, t: Texts) -> str:
    """What was fetched in a chat."""
    if not stats.count and not stats.failed:
        return t("stats_none")
    lines = [
        t("stats_of"),
        t("stats_day", n=stats.day_count, size=size(stats.day_bytes)),
        t("stats_ever", n=stats.count, size=size(stats.bytes), date=escape(plain(stats.since or "?", 20))),
    ]
    return "\n".join([*lines, t("stats_failed", n=stats.failed)] if stats.failed else lines)


def about_reactor(status: RunnerStatus, now: float, t: Texts) -> str:
    """How the downloader's process is. `now` and its moments are seconds since the epoch."""
    since = {"time": duration(now - status.since)} if status.since else {}
    lines = [t("downloader_since" if since else "downloader", state=status.state, **since)]
    known = {"process": status.pid, "reactor": status.version, "aria2": status.aria2, "restarts": status.restarts}
    lines.append(", ".join(f"{name} {escape(plain(str(what), 40))}" for name, what in known.items() if what))
    if status.error and status.state != "running":
        lines.append(f"⚠️ {escape(plain(status.error, SENTENCE_MAX))}")
    return "\n".join(filter(None, [*lines, *map(in_short, status.under_way)]))


def name_of(row: Download) -> str:
    """The title, or what the link says; clean, short, not escaped."""
    t = texts_of(row)
    named = plain(row.title or "", TITLE_MAX) or plain(_name_in(row.url, t("magnet")), TITLE_MAX)
    return named or t("download", id=row.id)


def plain(text: str, most: int) -> str:
    """One line of at most `most` characters, without signs that cannot be seen or turn the text around."""
    seen = "".join(sign if sign.isprintable() else " " for sign in text[: 4 * most])
    line = " ".join(seen.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def sentence(error: Exception, t: Texts) -> str:
    """What an error says to the person who caused it."""
    if (said := getattr(error, "said", None)) is not None:  # NotUnderstood
        name, values = said
        return escape(t(name, examples=t("examples"), **values))
    return escape(plain(str(getattr(error, "message", error)), SENTENCE_MAX))


def size(count: float) -> str:
    """Bytes for a person, in any language: `12.4 MB`."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:.1f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Seconds for a person: `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(seconds: float) -> str:
    """Seconds since the epoch for a person, in any language: `2026-12-02 14:05 UTC`."""
    return f"{datetime.fromtimestamp(min(max(seconds, 0.0), 4e9), UTC):%Y-%m-%d %H:%M} UTC"


def picked(row: Download) -> tuple[str, ...]:
    """What is marked of a question by now, as codes of its choices."""
    known = {each.c for each in row.choices.all} if row.choices else set()
    return tuple(code for code in str(row.extra.get("picked") or "").split(",") if code in known)


def about_settings(options: Mapping[str, Any], t: Texts, chosen: str | None = None) -> str:
    """What somebody always wants; `chosen` is the language that they have, instead of that of their Telegram."""
    quality, wanted = options.get("quality", "best"), options.get("want", "auto")
    sound = (options.get("audio") or {}).get("format", "best") if wanted == "audio" else None
    asked = options.get("ask", "never")
    said = {
        "quality": f"{quality}p" if isinstance(quality, int) else t("value_best") if quality == "best" else quality,
        "sound": t("value_no") if sound is None else t("value_as_it_is") if sound == "best" else sound,
        "subtitles": ", ".join((options.get("subtitles") or {}).get("languages", ())) or t("value_none"),
        "ask": t("value_no") if asked == "never" else t("value_yes") if asked == "all" else asked,
        "language": t("language") if chosen else f"{t('language')} (Telegram)",
    }
    lines = [t(f"settings_{name}", value=escape(plain(str(value), 60))) for name, value in said.items()]
    return "\n".join([t("settings"), *lines, "", t("settings_help")])


def bar(percent: float) -> str:
    """A bar of a fixed length."""
    full = round(min(100.0, max(0.0, percent)) / 100 * BAR)
    return "▓" * full + "░" * (BAR - full)


def _state(row: Download) -> str:
    upload_error, t = row.extra.get("upload_error"), texts_of(row)
    match row.status:
        case "pending" | "downloading" | "choosing" | "uploading" if row.cancelled:
            return t("state_stopping")
        case "choosing":
            return _question(row, t)
        case "pending":
            return t(f"state_{row.stage}" if row.stage in ("waiting", "quota", "yielded") else "state_queued")
        case "downloading":
            return _under_way(row, t)
        case "downloaded" if upload_error:
            return f"{t('state_downloaded')}{_size_of(row)}." + _but(_not_sent(upload_error, t))
        case "downloaded" if row.items_total is not None:
            return f"✅ {_entries(row, t)}" + _but(row.error, _not_sent(row.extra.get("unsent"), t), row.notes)
        case "downloaded":
            return f"{t('state_downloaded')}{_size_of(row)}" + _but(row.notes)
        case "uploading":
            return _sending(row, t)
        case "uploaded":
            return f"{t('state_sent')}{_size_of(row)}" + _but(row.notes)
        case "cancelled":
            return t("state_cancelled")
        case "failed":
            return f"❌ {escape(plain(row.error or t('state_failed'), SENTENCE_MAX))}"
        case other:
            return escape(plain(other, 40))


def _under_way(row: Download, t: Texts) -> str:
    if row.stage in STAGES:
        return t(f"state_{row.stage}")
    percent = row.progress or 0.0
    lines = [f"{t('state_joining') if row.stage == 'finishing' else '⬇️'} {bar(percent)} {percent:.0f} %"]
    if row.items_total is not None:
        return "\n".join([*lines, _entries(row, t)])
    whole = row.file_size
    known = [t("part_of", part=size(whole * percent / 100), whole=size(whole))] if whole else []
    if row.download_speed:
        known.append(f"{size(row.download_speed * 1024 * 1024)}/s")
    if row.eta_seconds is not None:
        known.append(t("time_left", time=duration(row.eta_seconds)))
    return "\n".join([*lines, " · ".join(known)]).rstrip()


def _sending(row: Download, t: Texts) -> str:
    count, whole = row.extra.get("sent_bytes"), row.file_size
    if not whole or not isinstance(count, int) or count <= 0:
        return f"{t('state_sending')}{_size_of(row)} …"
    percent = min(100.0, 100 * count / whole)
    said = t("part_sent", part=size(min(count, whole)), whole=size(whole))
    return f"⬆️ {bar(percent)} {percent:.0f} %\n{said}"


def _not_sent(said: object, t: Texts) -> str:
    """The sentence of an `upload_error`; empty for none."""
    try:
        values = json.loads(str(said or "{}"))
        return t(f"not_sent_{values.pop('code')}", **values) if values else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(said)


def _entries(row: Download, t: Texts) -> str:
    return t("entries", done=row.items_done or 0, n=row.items_total or 0)


def _but(*sentences: object) -> str:
    """What is not as it was wanted, a line for each sentence."""
    known = [escape(plain(str(one), SENTENCE_MAX)) for one in sentences if one]
    return "".join(f"\n⚠️ {one}" for one in known)


def _question(row: Download, t: Texts) -> str:
    """What a row asks; its buttons have the answers."""
    if (found := row.choices) is None:
        return f"❓ {t('ask_what')}"
    lines = [f"❓ {_asked(found, t)}"]
    if marked := picked(row):
        known = sum(each.bytes for each in found.all if each.c in marked and isinstance(each, FileChoice))
        lines.append(t("marked_size" if known else "marked", n=len(marked), size=size(known)))
    if row.next_attempt_at is not None:
        usual = "fail" if found.unanswered == "fail" else "usual"
        lines.append(t(f"unanswered_{usual}", time=moment(row.next_attempt_at)))
    return "\n".join(lines)


def _asked(found: Choices, t: Texts) -> str:
    for kind, told, total in (
        ("ask_files", found.files, found.files_total),
        ("ask_entries", found.items, found.items_total),
    ):
        if told:
            more = f" {t('ask_first', n=len(told))}" if total is not None and total > len(told) else ""
            return t(kind, n=total or len(told)) + more
    return t("ask_quality")


def _size_of(row: Download) -> str:
    return f" ({size(row.file_size)})" if row.file_size else ""


def _name_in(url: str, magnet: str) -> str:
    """What a link says of itself: the magnet's name, or the file's, or the host."""
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() == "magnet":
            return parse_qs(parts.query).get("dn", [magnet])[0]
        return PurePath(unquote(parts.path)).name or parts.hostname or ""
    except ValueError:
        return ""
