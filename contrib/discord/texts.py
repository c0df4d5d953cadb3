"""What the bot says, in each language that has a file in `texts/`. Pure.

    t = texts_for("de-AT")
    t("stopped", n=3)

A text has its values in braces; one with a number `n` may have several forms, by the rule of its language. The signs of
Markdown in a text are meant; whoever fills in a stranger's words escapes them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "texts"
STANDARD = "en"
"""For whoever speaks a language that is not there."""


def _one_or_other(n: int) -> str:
    return "one" if n == 1 else "other"


PLURALS: Mapping[str, Callable[[int], str]] = {"de": _one_or_other, "en": _one_or_other, "es": _one_or_other}
"""Which form goes with a number; for other languages see https://cldr.unicode.org (Plural Rules)."""


class Texts:
    """Those of one language. `table` has them by their names."""

    def __init__(self, language: str, table: Mapping[str, Any]) -> None:
        self.language, self.table = language, table

    def __call__(self, name: str, /, **values: object) -> str:
        """One of them, with its values filled in. Raises KeyError."""
        text = self.table[name]
        if not isinstance(text, str):
            text = text[PLURALS[self.language](int(str(values["n"])))]
        return str(text.format(**values))


@cache
def languages() -> dict[str, Texts]:
    """All that there are, by their codes."""
    found = {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.toml"))}
    return {code: Texts(code, table) for code, table in found.items()}


def texts_for(code: object) -> Texts:
    """What to say to whoever speaks this language (`de`, `pt-br`, or nothing that is known)."""
    return languages().get(str(code).lower().partition("-")[0]) or languages()[STANDARD]
