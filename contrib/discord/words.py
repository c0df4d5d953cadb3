"""What the bot says of a row, in Discord's Markdown. Pure: titles and sentences of strangers are escaped here."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import unquote, urlsplit

from discord.utils import escape_markdown

from reactor.models import Download

SENTENCE_MAX, BAR = 600, 12


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


def size(count: float) -> str:
    """Bytes for a person."""
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def _state(row: Download) -> str:
    done = f" ({size(row.file_size)})" if row.file_size else ""
    why = plain(str(row.extra.get("upload_error") or ""), SENTENCE_MAX)
    if row.status in ("pending", "downloading") and row.cancelled:
        return "✋ Stopping …"
    if row.status == "downloading":
        looking = row.stage in ("detecting", "extracting", "metadata", "listing")
        return "🔎 Finding out what there is to fetch …" if looking else _moving(row)
    if row.status == "downloaded" and row.items_total is not None:
        return f"✅ {_entries(row)}" + (f".\n⚠️ {safe(plain(row.error, SENTENCE_MAX))}" if row.error else "")
    known = {
        "pending": "🕑 It is tried again soon." if row.stage == "waiting" else "🕑 In the queue",
        "downloaded": f"✅ Downloaded{done}" + (f".\n⚠️ {safe(why)}" if why else ""),
        "uploading": f"⬆️ Sending{done} …",
        "uploaded": f"📨 Here it is{done}",
        "cancelled": "✋ Cancelled",
        "failed": f"❌ {safe(plain(row.error or 'It failed.', SENTENCE_MAX))}",
    }
    return known.get(row.status) or safe(plain(row.status, 40))


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
