"""The table of `error_code`: complete, consistent, and what the documentation says."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from contrib.docs import document
from reactor.aria2.failures import ARIA2, classify_status
from reactor.failures import FAILURES, HTTP
from reactor.net.failures import status_failure
from tests.cli.command import reactor

HOUSE = Path(document.__file__).parents[2] / "reactor"
NEVER_IN_A_ROW = {"aria2_unknown", "database", "database_in_use", "error", "no_recording", "requeued"}
"""What ends a command or the process, or only passes through the journal."""


def raised(path: Path) -> Iterator[str]:
    """Every code that a module names: `code="…"`, `code = "…"` in a class, the first argument of Failure."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            found = [each.value for each in node.keywords if each.arg == "code"]
            found += node.args[:1] if name in ("Failure", "HttpFailure") else []
            found += node.args[1:2] if name == "_text" else []  # yt-dlp's
        elif isinstance(node, ast.ClassDef):
            assigned = [each for each in node.body if isinstance(each, ast.Assign | ast.AnnAssign)]
            found = [each.value for each in assigned if each.value and "code" in _names(each)]
        else:
            continue
        yield from (each.value for each in found if isinstance(each, ast.Constant) and isinstance(each.value, str))


def _names(assignment: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_every_code_that_is_raised_is_in_the_table_and_every_code_of_it_is_raised() -> None:
    found = {code for path in HOUSE.rglob("*.py") for code in raised(path)}
    assert found - NEVER_IN_A_ROW == set(FAILURES)


@pytest.mark.parametrize("number", ARIA2)
def test_what_aria2_says_is_as_the_table_has_it(number: int) -> None:
    failure = ARIA2[number]
    assert FAILURES[failure.code].retryable in (None, failure.retryable)


@pytest.mark.parametrize("status", [*HTTP, 418, 500, 599])
def test_a_status_means_the_same_whoever_got_it(status: int) -> None:
    ours, aria2s = status_failure(status, "http://h/f").failure, classify_status(status)
    assert (ours.code, ours.hint, ours.retryable) == (aria2s.code, aria2s.hint, aria2s.retryable)
    assert ours.message.partition(" answered ")[2] == aria2s.message.partition(" answered ")[2]
    assert FAILURES[ours.code].retryable in (None, ours.retryable)


@pytest.mark.parametrize("name", document.PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    page = Path(document.FOLDER, name).read_text("utf-8")
    assert page == document.PAGES[name](), "python -m contrib.docs.document writes it anew"


def test_the_command(tmp_path: Path) -> None:
    told = reactor("errors", cwd=tmp_path, COLUMNS="200").stdout
    assert [line.split()[0] for line in told.splitlines()[1:]] == list(FAILURES)
    one = json.loads(reactor("errors", "no_space", "--json", cwd=tmp_path).stdout)
    assert one == {"no_space": {**one["no_space"], "offer": "operator", "retryable": None, "uses_retry": False}}
    wrong = reactor("errors", "nonsense", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "reactor: 'nonsense' is not an error code. `reactor errors` lists them.\n",
    )
