"""Writes the pages of this folder that are made of the code: `python -m contrib.docs.document`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

from reactor.failures import FAILURES, HTTP, OFFERS, Offer, status_phrase

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


PAGES: Mapping[str, Callable[[], str]] = {"error-codes.md": error_codes}
"""Name of a page → what makes it."""


if __name__ == "__main__":
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
