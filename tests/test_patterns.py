"""Patterns are compiled at their first use, so that a wrong one would be found late: here each of them is compiled."""

from __future__ import annotations

import ast
import copy
import gc
import importlib
import re
from pathlib import Path

import pytest

from reactor.patterns import Pattern, pattern

HOUSE = Path(__file__).parents[1] / "reactor"
ALONE = HOUSE / "extractors" / "ytdlp" / "worker.py"
"""Imports nothing of reactor."""
MODULES = sorted(
    ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in HOUSE.rglob("*.py")
    if path.name != "__main__.py"
)


def test_each_pattern_compiles() -> None:
    for name in MODULES:
        importlib.import_module(name)
    gc.unfreeze()  # else what was imported with the tests would not be among them
    made = [each for each in gc.get_objects() if isinstance(each, Pattern)]
    gc.freeze()
    assert len(made) > 200
    for each in made:
        assert each.groups >= 0


def test_a_pattern_with_a_name_is_made_by_pattern() -> None:
    named = [
        f"{path}:{node.lineno}"
        for path in HOUSE.rglob("*.py")
        if path != ALONE
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("re.compile(")
    ]
    assert named == []


def test_it_does_what_a_compiled_one_does() -> None:
    letters, compiled = pattern(r"([a-c])(?P<n>\d)", re.IGNORECASE), re.compile(r"([a-c])(?P<n>\d)", re.IGNORECASE)
    found, same = letters.fullmatch("B7"), compiled.fullmatch("B7")
    assert found is not None
    assert same is not None
    assert found.groupdict() == same.groupdict()
    assert letters.sub("-", "a1b2z3") == letters.sub("-", "a1b2z3") == "--z3"
    assert (letters.pattern, letters.flags, letters.groups) == (compiled.pattern, compiled.flags, compiled.groups)
    assert pattern(rb"\d+").findall(b"1 22") == [b"1", b"22"]
    assert copy.deepcopy(letters).match("a1") is not None
    with pytest.raises(AttributeError):
        letters.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(re.error):
        pattern("(").match("")
