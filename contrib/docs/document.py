"""Writes the pages of this folder that are made of the code: `python -m contrib.docs.document`."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from reactor.failures import FAILURES, HTTP, OFFERS, Offer, status_phrase
from reactor.settings import FORMER_NAMES, Settings

FOLDER = Path(__file__).parent
ERROR_CODES = """# Error codes

When a row is `failed`, `error` is a sentence for the person who asked, and `error_code` one of these words, which stay
the same: a bot can make a button of them. `reactor errors` prints this table, `reactor errors --json` for programs.

| `error_code` | meaning | tried again | what to offer |
| --- | --- | --- | --- |
{codes}

“As the case deserves” means that some of these may pass and others may not. Retries follow `MAX_DOWNLOAD_RETRIES` and
`RETRY_BASE_DELAY`; what is tried again “without a limit” uses up none of them.

## What to offer

| offer | what a bot can do |
| --- | --- |
{offers}

## HTTP

What a server's answer means, whoever it was given to. Of those that are not listed, 5xx may pass and 4xx may not.

| status | `error_code` | meaning | tried again |
| --- | --- | --- | --- |
{statuses}
"""


def error_codes() -> str:
    """error-codes.md."""
    codes = [f"| `{code}` | {kind.meaning} | {kind.retried} | {kind.offer} |" for code, kind in FAILURES.items()]
    offers = [f"| {offer} | {OFFERS[offer]} |" for offer in get_args(Offer)]
    statuses = [
        f"| {status}{status_phrase(status)} | `{found.code}` | {found.meaning} | {'yes' if found.retryable else 'no'} |"
        for status, found in HTTP.items()
    ]
    return ERROR_CODES.format(codes="\n".join(codes), offers="\n".join(offers), statuses="\n".join(statuses))


SETTINGS = """# Settings

Precedence: command-line flags, then environment variables, then the file `.env` in the working folder. A value that
cannot be used ends the command with exit code 2 and one sentence that names the variable. An empty value is the same as
none where the default is “unset”.

```dotenv
DOWNLOAD_DB=/srv/bot/bot.db
DOWNLOAD_DIR=/srv/bot/files
MAX_CONCURRENT_DOWNLOADS=3
```

Flags exist for the settings that change from run to run: `--db`, `--dir`, `--jobs`, `--aria2`, `--page`, `--metrics`
(`reactor run --help`). `Runner` takes every setting as an argument in lower case: `Runner(download_db="bot.db")`.
A bot that reads its own settings from the same `.env` may keep them there: unknown variables are ignored.

| variable | default | meaning | takes |
| --- | --- | --- | --- |
{settings}

## Notes

- **Parts**: videos in parts (HLS, DASH) are fetched `MAX_CONCURRENT_PARTS` at a time. Parts that arrive quickly are
  handed to aria2 in larger batches; a remote aria2 fetches as many of a batch at once as its own
  `max-concurrent-downloads` allows.
- **Database**: `DOWNLOAD_DB` is a path. The URLs `sqlite:////srv/bot.db` and `file:///srv/bot.db` are understood, other
  URLs and `:memory:` are refused.
- **aria2's own options** (speed limits, ports, trackers) are set in a copy of `aria2.conf` that `ARIA2C_CONF` names.
- **Remote aria2**: `ARIA2C_RPC_URL` and the settings after it are explained in
  [Operations](operations.md#a-remote-aria2).

## Former names

Still accepted; where both are set, the current name wins.

| former | current |
| --- | --- |
{former}
"""
FLAG, NUMBERS = "true or false", {int: "a whole number", float: "a number"}
OTHERS = {Path: "a path", SecretStr: "text; kept out of every log", str: "text"}


def settings() -> str:
    """settings.md."""
    former = [f"| `{old.upper()}` | `{new.upper()}` |" for new, old in FORMER_NAMES.items()]
    return SETTINGS.format(settings="\n".join(setting_rows().values()), former="\n".join(former))


def setting_rows() -> dict[str, str]:
    """Variable → its line in the table."""
    return {
        name.upper(): f"| `{name.upper()}` | {_default(field.default)} | {field.description} | {_takes(field)} |"
        for name, field in Settings.model_fields.items()
    }


def _default(value: Any) -> str:
    if value in (None, ""):
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _takes(field: FieldInfo) -> str:
    annotation = field.annotation
    if isinstance(annotation, types.UnionType):  # X | None
        annotation = next(each for each in get_args(annotation) if each is not types.NoneType)
    if annotation is bool:
        return FLAG
    if annotation not in NUMBERS:
        return OTHERS[annotation]  # type: ignore[index]
    low = high = ""
    for limit in field.metadata:
        match limit:
            case Ge(ge=least):
                low = f"{least:g}"
            case Gt(gt=least):
                low = f"more than {least:g} and"
            case Le(le=most):
                high = f"{most}"
            case _:
                pass  # no infinity
    return f"{NUMBERS[annotation]}, {low} {'at most' if low.startswith('more') else 'to'} {high}"


PAGES: Mapping[str, Callable[[], str]] = {"error-codes.md": error_codes, "settings.md": settings}
"""Name of a page → what makes it."""


if __name__ == "__main__":
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
