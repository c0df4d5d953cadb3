"""What the bot says of a row, in Discord's Markdown. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

from discord.utils import escape_markdown

from reactor.choices import Choices, FileChoice, FormatChoice, ItemChoice, SubtitleChoice
from reactor.models import Download

SENTENCE_MAX, BAR, LABEL_MAX = 600, 12, 100
PENDING = {
    "waiting": "🕑 It is tried again soon.",
    "quota": "🕑 That is enough for today: it begins tomorrow.",
    "yielded": "🕑 It lets others have a turn, and goes on then.",
}


def about(row: Download) -> str:
    """The text of a row's message: what it is, and how it goes."""
    return f"**{safe(name_of(row))}**\n{_state(row)}"


def name_of(row: Download) -> str:
    """The title, or what the link says; clean and short, not escaped."""
    try:
        parts = urlsplit(row.url)
        named = PurePath(unquote(parts.path)).name or parts.hostname or ""
    except ValueError:
        named = ""
    return plain(row.title or named, 120) or f"Download {row.id}"


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


def label_of(choice: Any) -> str:
    """An answer in its menu."""
    match choice:
        case SubtitleChoice():
            return plain(f"{choice.language}{' (automatic)' if choice.auto else ''}", LABEL_MAX)
        case ItemChoice():
            return plain(f"{choice.n}. {choice.title or choice.key}", LABEL_MAX)
        case FileChoice():  # the end of a path tells one from another
            path = plain(choice.path, len(choice.path) + 1)
            return path if len(path) <= LABEL_MAX else "…" + path[1 - LABEL_MAX :]
        case _:
            return plain(choice.label, LABEL_MAX) or choice.c


def description_of(choice: Any) -> str | None:
    """What stands below it there."""
    if isinstance(choice, FileChoice):
        return size(choice.bytes)
    if isinstance(choice, FormatChoice) and choice.bytes:
        return size(choice.bytes) if choice.exact else f"about {size(choice.bytes)}"
    return None


def about_settings(options: Mapping[str, Any]) -> str:
    """What somebody always wants."""
    wanted, languages = options.get("want", "auto"), (options.get("subtitles") or {}).get("languages", ())
    said = {
        "Quality": options.get("quality", "best"),
        "Sound alone": (options.get("audio") or {}).get("format", "best") if wanted == "audio" else "no",
        "Subtitles": ", ".join(languages) or "none",
        "Ask first": options.get("ask", "never"),
    }
    return "What is fetched for you, unless you say otherwise with a link:\n" + "\n".join(
        f"{name}: **{safe(plain(str(value), 60))}**" for name, value in said.items()
    )


def size(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _state(row: Download) -> str:
    done = f" ({size(row.file_size)})" if row.file_size else ""
    why = plain(str(row.extra.get("upload_error") or ""), SENTENCE_MAX)
    if row.status in ("pending", "downloading", "choosing") and row.cancelled:
        return "✋ Stopping …"
    if row.status == "choosing":
        return _question(row, row.choices or Choices())
    if row.status == "downloading":
        looking = row.stage in ("detecting", "extracting", "metadata", "listing")
        return "🔎 Finding out what there is to fetch …" if looking else _moving(row)
    if row.status == "downloaded" and row.items_total is not None:
        return f"✅ {_entries(row)}" + _but(row.error, row.extra.get("unsent"), row.notes)
    known = {
        "pending": PENDING.get(row.stage or "", "🕑 In the queue"),
        "downloaded": f"✅ Downloaded{done}" + _but(why or row.notes),
        "uploading": f"⬆️ Sending{done} …",
        "uploaded": f"📨 Here it is{done}" + _but(row.notes),
        "cancelled": "✋ Cancelled",
        "failed": f"❌ {safe(plain(row.error or 'It failed.', SENTENCE_MAX))}",
    }
    return known.get(row.status) or safe(plain(row.status, 40))


def _but(*sentences: object) -> str:
    """What is not as it was wanted, a line for each sentence."""
    return "".join(f"\n⚠️ {safe(plain(str(one), SENTENCE_MAX))}" for one in sentences if one)


def _question(row: Download, found: Choices) -> str:
    """What a row asks; the answers are below."""
    told, total = (found.files, found.files_total) if found.files else (found.items, found.items_total)
    what = "files" if found.files else "entries"
    lines = [f"❓ Which of the {total or len(told)} {what}?" if told else "❓ Which quality?"]
    if told and total is not None and total > len(told):
        lines[0] += f" These are the first {len(told)}."
    if marked := picked(row):
        lines.append(f"Marked: {len(marked)}.")
    if row.next_attempt_at is not None:
        until = datetime.fromtimestamp(min(max(row.next_attempt_at, 0.0), 4e9), UTC)
        then = "nothing is fetched" if found.unanswered == "fail" else "what is usual is taken"
        lines.append(f"Without an answer until {until.day} {until:%b, %H:%M} UTC {then}.")
    return "\n".join(lines)


def _entries(row: Download) -> str:
    return f"{row.items_done or 0} of {row.items_total} came"


def _moving(row: Download) -> str:
    percent, eta = min(100.0, max(0.0, row.progress or 0.0)), row.eta_seconds
    full = round(percent / 100 * BAR)
    drawn = f"{'🧩 Joining' if row.stage == 'finishing' else '⬇️'} {'▓' * full}{'░' * (BAR - full)} {percent:.0f} %"
    if row.items_total is not None:
        return f"{drawn} · {_entries(row)}"
    speed = f" · {size(row.download_speed * 1024 * 1024)}/s" if row.download_speed else ""
    return drawn + speed + (f" · {eta // 60}:{eta % 60:02} left" if eta is not None else "")
