"""What the bot says of a row, in Discord's Markdown. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from discord.utils import escape_markdown
from texts import Texts, texts_for

from reactor.choices import Choices, FileChoice, FormatChoice, ItemChoice, SubtitleChoice
from reactor.models import Download, Position

if TYPE_CHECKING:
    from store import Stats

    from reactor import RunnerStatus

SENTENCE_MAX, BAR, LABEL_MAX = 600, 12, 100


def about(row: Download) -> str:
    """The text of a row's message: what it is, and how it goes."""
    return f"**{safe(name_of(row))}**\n{_state(row)}"


def name_of(row: Download) -> str:
    """The title, or what the link says; clean and short, not escaped."""
    try:
        parts = urlsplit(row.url)
        said = parse_qs(parts.query).get("dn", [""])[0] if parts.scheme.lower() == "magnet" else ""
        named = said or PurePath(unquote(parts.path)).name or parts.hostname or ""
    except ValueError:
        named = ""
    return plain(row.title or named, 120) or texts_of(row)("download", id=row.id)


def texts_of(row: Download) -> Texts:
    """Those of the language in which a row was asked for."""
    return texts_for(row.extra.get("language"))


def place_of(position: Position, t: Texts) -> str:
    """Where a row stands, why it waits, and about how long."""
    turn = position.why == "turn"
    said = t("place_next") if turn and not position.ahead else t(f"place_{position.why}", n=position.ahead)
    minutes = round((position.about_s or 0.0) / 60 + 0.3)
    return ", ".join([said, t("place_minutes", n=minutes)] if minutes else [said])


def about_stats(stats: Stats, t: Texts) -> str:
    """What was fetched in a channel."""
    if not stats.count and not stats.failed:
        return t("stats_none")
    lines = [
        t("stats_of"),
        t("stats_day", n=stats.day_count, size=size(stats.day_bytes)),
        t("stats_ever", n=stats.count, size=size(stats.bytes), date=safe(plain(stats.since or "?", 20))),
    ]
    return "\n".join([*lines, t("stats_failed", n=stats.failed)] if stats.failed else lines)


def about_reactor(status: RunnerStatus, t: Texts) -> str:
    """How the downloader's process is, as far as that is known."""
    known = {
        "downloader_process": status.pid,
        "downloader_reactor": status.version,
        "downloader_aria2": status.aria2,
        "downloader_restarts": status.restarts,
        "downloader_going": len(status.under_way),
    }
    more = [t(name, value=safe(plain(str(value), 40))) for name, value in known.items() if value is not None]
    why = f" {safe(plain(status.error, SENTENCE_MAX))}" if status.error else ""
    return f"{', '.join([t('downloader', state=status.state), *more])}.{why}"


def plain(text: str, most: int) -> str:
    """One line of at most `most` characters, without signs that cannot be seen or turn the text around."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def safe(text: str) -> str:
    """A stranger's text that Discord shows as it is."""
    return escape_markdown(text, ignore_links=False).replace("<", "\\<")


def sentence(error: Exception) -> str:
    """What an error says to the person who caused it."""
    return safe(plain(str(getattr(error, "message", error)), SENTENCE_MAX))


def picked(row: Download) -> tuple[str, ...]:
    """What is marked of a question by now, as codes of its choices."""
    known = {each.c for each in row.choices.all} if row.choices else set()
    return tuple(code for code in str(row.extra.get("picked") or "").split(",") if code in known)


def label_of(choice: Any, t: Texts) -> str:
    """An answer in its menu."""
    match choice:
        case SubtitleChoice():
            return plain(t("automatic", language=choice.language) if choice.auto else choice.language, LABEL_MAX)
        case ItemChoice():
            return plain(f"{choice.n}. {choice.title or choice.key}", LABEL_MAX)
        case FileChoice():  # the end of a path tells one from another
            path = plain(choice.path, len(choice.path) + 1)
            return path if len(path) <= LABEL_MAX else "…" + path[1 - LABEL_MAX :]
        case _:
            return plain(choice.label, LABEL_MAX) or choice.c


def description_of(choice: Any, t: Texts) -> str | None:
    """What stands below it there."""
    if isinstance(choice, FileChoice):
        return size(choice.bytes)
    if isinstance(choice, FormatChoice) and choice.bytes:
        return size(choice.bytes) if choice.exact else t("about_size", size=size(choice.bytes))
    return None


def about_settings(options: Mapping[str, Any], t: Texts, chosen: str | None = None) -> str:
    """What somebody always wants; `chosen` is the language that they have, instead of that of their Discord."""
    wanted, languages = options.get("want", "auto"), (options.get("subtitles") or {}).get("languages", ())
    quality, asked = options.get("quality", "best"), options.get("ask", "never")
    sound = (options.get("audio") or {}).get("format", "best")
    said = {
        "quality": t("value_best") if quality == "best" else quality,
        "sound": t("value_no") if wanted != "audio" else t("value_as_it_is") if sound == "best" else sound,
        "subtitles": ", ".join(languages) or t("value_none"),
        "ask": t("value_no") if asked == "never" else t("value_yes") if asked == "all" else asked,
        "language": t("language") if chosen else f"{t('language')} (Discord)",
    }
    lines = [t(f"settings_{name}", value=safe(plain(str(value), 60))) for name, value in said.items()]
    return "\n".join([t("settings"), *lines])


def size(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def clock(seconds: int) -> str:
    """Seconds for a person: `1:02:03`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _state(row: Download) -> str:
    t, done = texts_of(row), f" ({size(row.file_size)})" if row.file_size else ""
    if row.status in ("pending", "downloading", "choosing", "uploading") and row.cancelled:
        return t("state_stopping")
    if row.status == "choosing":
        return _question(row, row.choices or Choices(), t)
    if row.status == "downloading":
        looking = row.stage in ("detecting", "extracting", "metadata", "listing")
        return t("state_looking") if looking else _moving(row, t)
    if row.status == "downloaded" and row.items_total is not None:
        return f"✅ {_entries(row, t)}" + _but(row.error, _not_sent(row.extra.get("unsent"), t), row.notes)
    why = _not_sent(row.extra.get("upload_error"), t)
    waits = row.stage if row.stage in ("waiting", "quota", "yielded") else "queued"
    known = {
        "pending": lambda: t(f"state_{waits}"),
        "downloaded": lambda: f"{t('state_downloaded')}{done}" + _but(why or row.notes),
        "uploading": lambda: _sending(row, t) or f"{t('state_sending')}{done} …",
        "uploaded": lambda: f"{t('state_sent')}{done}" + _but(row.notes),
        "cancelled": lambda: t("state_cancelled"),
        "failed": lambda: f"❌ {safe(plain(row.error or t('state_failed'), SENTENCE_MAX))}",
    }
    return known[row.status]() if row.status in known else safe(plain(row.status, 40))


def _not_sent(said: object, t: Texts) -> str:
    """The sentence of an `upload_error`; empty for none."""
    try:
        values = json.loads(str(said or "{}"))
        return t(f"not_sent_{values.pop('code')}", **values) if values else ""
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(said)


def _but(*sentences: object) -> str:
    """What is not as it was wanted, a line for each sentence."""
    return "".join(f"\n⚠️ {safe(plain(str(one), SENTENCE_MAX))}" for one in sentences if one)


def _question(row: Download, found: Choices, t: Texts) -> str:
    """What a row asks; the answers are below."""
    told, total = (found.files, found.files_total) if found.files else (found.items, found.items_total)
    what = "ask_files" if found.files else "ask_entries"
    lines = [f"❓ {t(what, n=total or len(told)) if told else t('ask_quality')}"]
    if told and total is not None and total > len(told):
        lines[0] += f" {t('ask_first', n=len(told))}"
    if marked := picked(row):
        lines.append(t("marked", n=len(marked)))
    if row.next_attempt_at is not None:
        until = datetime.fromtimestamp(min(max(row.next_attempt_at, 0.0), 4e9), UTC)
        then = "unanswered_fail" if found.unanswered == "fail" else "unanswered_usual"
        lines.append(t(then, time=f"{until:%Y-%m-%d %H:%M} UTC"))
    return "\n".join(lines)


def _entries(row: Download, t: Texts) -> str:
    return t("entries", done=row.items_done or 0, n=row.items_total or 0)


def _moving(row: Download, t: Texts) -> str:
    percent, eta = row.progress or 0.0, row.eta_seconds
    drawn = _bar(t("state_joining") if row.stage == "finishing" else "⬇️", percent)
    if row.items_total is not None:
        return f"{drawn} · {_entries(row, t)}"
    speed = f" · {size(row.download_speed * 1024 * 1024)}/s" if row.download_speed else ""
    return drawn + speed + (f" · {t('time_left', time=clock(eta))}" if eta is not None else "")


def _sending(row: Download, t: Texts) -> str:
    """How much of it is sent; empty where that is not known."""
    count, whole = row.extra.get("sent_bytes"), row.file_size
    if not whole or not isinstance(count, int) or count <= 0:
        return ""
    return f"{_bar('⬆️', 100 * count / whole)} · {t('part_sent', part=size(min(count, whole)), whole=size(whole))}"


def _bar(begins: str, percent: float) -> str:
    percent = min(100.0, max(0.0, percent))
    full = round(percent / 100 * BAR)
    return f"{begins} {'▓' * full}{'░' * (BAR - full)} {percent:.0f} %"
