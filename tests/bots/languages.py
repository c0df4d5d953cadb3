"""What holds of a bot's texts, whichever it is: the same in each language, and none that nobody says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Any


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def forms(text: Any) -> dict[str, str]:
    """The forms of a text that has several, by their names."""
    return text if isinstance(text, dict) else {"": text}


def check_same_values(mine: Mapping[str, Any], english: Mapping[str, Any]) -> None:
    """A language has the texts that another has, with the same values and signs."""
    assert mine.keys() == english.keys()
    for name, text in english.items():
        assert isinstance(mine[name], type(text)), name
        wanted = set().union(*map(placeholders, forms(text).values()))
        for form, said in forms(mine[name]).items():
            # One who says “one” has no need of the number.
            assert placeholders(said) == (wanted - {"n"} if form == "one" else wanted), (name, form)
            assert re.findall(SIGNS, said) == re.findall(SIGNS, next(iter(forms(text).values()))), name


def check_used(mine: Mapping[str, Any], folder: Path, made: tuple[str, ...]) -> None:
    """Every text is said by the bot in this folder, or begins as one whose name is put together; none is missing."""
    said = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    for name in mine:
        assert f'"{name}"' in said or f"'{name}'" in said or name.startswith(made), name
    for name in re.findall(r"""\bt\(["'](\w+)["']""", said):
        assert name in mine


SIGNS = r"</?\w+>|\*\*"
