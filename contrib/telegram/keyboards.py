"""The buttons below a message. Pure: all a press has to tell is in its button, so one works after a restart, too.

cancel:7  retry:7           the download
choose:7:f1                 take that answer of its question
mark:7:t3  page:7:2         mark one of several, turn the page
marked:7  usual:7           take what is marked; what is taken when nobody answers
set:4242:720p               what somebody always wants, in the words that they might say
lang:4242:de  lang:4242:    the language in which they want to be spoken to; that of their Telegram
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from texts import Texts, languages
from words import duration, picked, plain, size, texts_of

from reactor.choices import Choice, Choices, FileChoice, FormatChoice, HelpChoice, ItemChoice, SubtitleChoice
from reactor.models import Download

PAGE = 8
"""Answers that are shown at once."""
LABEL_MAX = 60
Line = list[InlineKeyboardButton]
SETTINGS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("set_best", "best"), ("1080p", "1080p"), ("720p", "720p"), ("480p", "480p")),
    (("set_film", "video"), ("MP3", "mp3"), ("M4A", "m4a"), ("Opus", "opus")),
    (("set_no_subtitles", "subtitles none"), ("set_ask", "ask"), ("set_ask_never", "ask never")),
)
"""Label, or the name of a text, and words of each."""


def keyboard(row: Download) -> InlineKeyboardMarkup | None:
    """What can be done about a download."""
    t = texts_of(row)
    lines = [*_answers(row, t)] if row.answerable else []
    if row.status in ("pending", "downloading", "choosing", "uploading"):
        lines.append([_button(t("cancel"), f"cancel:{row.id}")])
    elif row.status in ("failed", "cancelled") or (row.status == "downloaded" and _lacks(row)):
        lines.append([_button(t("retry"), f"retry:{row.id}")])
    return InlineKeyboardMarkup(inline_keyboard=lines) if lines else None


def settings_keyboard(user_id: int, t: Texts) -> InlineKeyboardMarkup:
    """What somebody always wants. The buttons are theirs."""

    def label(name: str) -> str:
        return t(name) if name in t.table else name

    lines = [[_button(label(name), f"set:{user_id}:{words}") for name, words in line] for line in SETTINGS]
    lines.append([_button(each("language"), f"lang:{user_id}:{code}") for code, each in languages().items()])
    lines.append([_button(t("set_my_language"), f"lang:{user_id}:")])
    return InlineKeyboardMarkup(inline_keyboard=lines)


def _lacks(row: Download) -> bool:
    return bool(row.extra.get("upload_error") or row.extra.get("unsent") or row.error_code == "partial")


def _answers(row: Download, t: Texts) -> Iterator[Line]:
    """A line for each answer on this page, then what turns the page and what ends the question."""
    found = row.choices or Choices()
    every = [*found.all]
    marked, pages = picked(row), max(1, -(-len(every) // PAGE))
    page = min(max(_number(row.extra.get("page")), 0), pages - 1)
    for each in every[page * PAGE : (page + 1) * PAGE]:
        if isinstance(each, FormatChoice | HelpChoice):
            yield [_button(label_of(each, t), f"choose:{row.id}:{each.c}")]
        else:
            yield [_button(f"{'☑' if each.c in marked else '☐'} {label_of(each, t)}", f"mark:{row.id}:{each.c}")]
    if pages > 1:
        before, after = (page - 1) % pages, (page + 1) % pages
        yield [
            _button("◀", f"page:{row.id}:{before}"),
            _button(t("page", page=page + 1, pages=pages), f"page:{row.id}:{after}"),
        ]
    if row.status == "choosing" or not found.help:
        usual = t("take_all" if found.items or found.files else "take_best")
        taken = [_button(t("take_marked", n=len(marked)), f"marked:{row.id}")] if marked else []
        yield [*taken, _button(usual, f"usual:{row.id}")]


def label_of(choice: Choice, t: Texts) -> str:
    """An answer on its button."""
    match choice:
        case FormatChoice():
            about = f" · {'' if choice.exact else '~'}{size(choice.bytes)}" if choice.bytes else ""
            return plain(choice.label, LABEL_MAX) + about
        case SubtitleChoice():
            return t("subtitles_automatic" if choice.auto else "subtitles", language=plain(choice.language, LABEL_MAX))
        case ItemChoice():
            length = f" · {duration(choice.duration_s)}" if choice.duration_s else ""
            return f"{choice.n}. {plain(choice.title or choice.key, LABEL_MAX)}{length}"
        case FileChoice():
            return f"{_end_of(choice.path)} · {size(choice.bytes)}"
        case HelpChoice():
            return t("help_with" if "cookies" in choice.pick else "help_instead", label=plain(choice.label, LABEL_MAX))


def marked_after(row: Download, code: str) -> Sequence[str]:
    """What is marked of a question once this one was pressed."""
    before = picked(row)
    return [each for each in before if each != code] if code in before else [*before, code]


def _end_of(path: str) -> str:
    """The end of a path, which tells one file from another."""
    line = plain(path, len(path) + 1)
    return line if len(line) <= LABEL_MAX else "…" + line[1 - LABEL_MAX :]


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _button(label: str, data: str) -> InlineKeyboardButton:
    return InlineKeyboardButton(text=label, callback_data=data)
