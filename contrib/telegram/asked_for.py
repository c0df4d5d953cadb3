"""What the words beside a link ask for, as the options of its row: `mp3`, `720p`, `subtitles de,en`, `1:30-2:10`. Pure.

They are the flags of `reactor add`, most of them without a name: what they may say, reactor knows and checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from reactor.cli.asked import asked

Said = Mapping[str, Any]
"""Options; None as a value takes away what was said before."""
NAMED = {name: name for name in ("audio", "quality", "container", "language", "subtitles", "clip", "playlist")} | {
    **{"files": "files", "use": "use", "ask": "ask"},
    **{"sound": "audio", "subs": "subtitles", "items": "playlist"},
}
"""A word before the one that says it → the flag."""
ENTRY = r"-?[1-9]\d{0,5}(--?[1-9]\d{0,5})?"
NAMELESS = {
    "audio": re.compile(r"mp3|m4a|opus|flac|wav", re.IGNORECASE),
    "container": re.compile(r"mp4|mkv|webm", re.IGNORECASE),
    "quality": re.compile(r"best|worst|\d{3,4}p|144|240|360|480|720|1080|1440|2160|4320", re.IGNORECASE),
    "clip": re.compile(r"(?=.*:)[\d:.]+-[\d:.]+"),
    "playlist": re.compile(rf"all|one|{ENTRY}(,{ENTRY})*", re.IGNORECASE),
    "files": re.compile(r"largest", re.IGNORECASE),
}
"""The flag → words that say it by themselves."""
BY_ITSELF = {"audio": "best", "ask": "all"}
"""Flags that need no value, and what they mean then."""
ASKS = re.compile(r"never|formats|items|files|all", re.IGNORECASE)
COMMON = {"all", "one", "best", "worst", "video", "largest", *NAMED} - {"subtitles", "subs"}
"""Words that people say without asking for anything."""
NOTHING = ("none", "off", "no")
LINES = re.compile(r"(\d+)p", re.IGNORECASE)


class NotUnderstood(Exception):
    """A word that says nothing. `said` is the name of a text about it, and its values."""

    def __init__(self, name: str, **values: str) -> None:
        super().__init__(name, *values.values())
        self.said = name, values


def options_in(words: Sequence[str]) -> Said:
    """What words ask for. Raises NotUnderstood, and ReactorError with a sentence that names the option."""
    flags: dict[str, Any] = {}
    cleared: dict[str, None] = {}
    rest = [part for word in words for part in _bare(word).split("=", 1) if part]
    while rest:
        word = rest.pop(0)
        flag = _flag_of(word)
        if flag is None:
            raise NotUnderstood("unknown_word", word=word[:40])
        value = _value(flag, word, rest)
        if flag == "subtitles" and value.lower() in NOTHING:
            cleared[flag] = None
        elif flag in ("clip", "use"):
            flags.setdefault(flag, []).append(value)
        else:
            flags[flag] = value
    said = asked(**flags) or {}
    return cleared | said


def options_beside(words: Sequence[str], *, talk: bool) -> Said:
    """The same, but in `talk` words count only if they begin like none: “this one” beside a link asks for nothing."""
    try:
        return options_in(words)
    except NotUnderstood:
        first = _bare(words[0]).partition("=")[0]
        if talk and (first.lower() in COMMON or _flag_of(first) is None):
            return {}
        raise


def _flag_of(word: str) -> str | None:
    name = word.partition("=")[0].lower()
    if name in NAMED:
        return NAMED[name]
    if name == "video":
        return "options"
    return next((flag for flag, pattern in NAMELESS.items() if pattern.fullmatch(word)), None)


def _value(flag: str, word: str, rest: list[str]) -> str:
    """What a flag says: the word itself, or the one after it."""
    if flag == "options":
        return json.dumps({"want": "video"})
    if word.lower() in NAMED:
        if flag in BY_ITSELF and not (rest and _says(flag, rest[0])):
            return BY_ITSELF[flag]
        if not rest:
            raise NotUnderstood("value_missing", word=word)
        word = rest.pop(0)
    if flag == "quality" and (lines := LINES.fullmatch(word)):
        return lines[1]
    return word if flag in ("language", "subtitles", "files", "use") else word.lower()


def _says(flag: str, word: str) -> bool:
    return (ASKS if flag == "ask" else re.compile(r"best|" + NAMELESS["audio"].pattern, re.I)).fullmatch(
        word
    ) is not None


def _bare(word: str) -> str:
    """Without the dashes of a flag, and what stands after it in a sentence."""
    word = word.rstrip(",;.!")
    return word.lstrip("-") if word.startswith("--") and word[2:3].isalpha() else word
