"""Writes the pages of this folder that are made of the code: `python -m contrib.docs.document`."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from reactor.extractors.unmet import APPLIES, NAMES
from reactor.failures import FAILURES, HTTP, OFFERS, Offer, status_phrase
from reactor.options import OPTIONS_BYTES_MAX, Options, model_of
from reactor.preset_options import ONLY_PRESETS, PresetOptions
from reactor.settings import FORMER_NAMES, Settings
from reactor.web.openapi import document

FOLDER = Path(__file__).parent
ERROR_CODES = """# Error codes

When a row is `failed`, `error` is a sentence for the user, and `error_code` is one of these stable codes, by which a
bot can choose what to show. `reactor errors` prints this table; `reactor errors --json` prints it as JSON.

| `error_code` | meaning | retried | offer |
| --- | --- | --- | --- |
{codes}

“Depends on the cause” means that reactor retries some of these failures and not others. Retries follow
`MAX_DOWNLOAD_RETRIES` and `RETRY_BASE_DELAY`; retries “without a limit” do not count.

## Offers

| offer | what a bot can do |
| --- | --- |
{offers}

## HTTP

How statuses are mapped, for requests of reactor and of aria2. Of statuses that are not listed, 5xx are retried and 4xx
are not. In `error` the meaning follows the name of the server.

| status | `error_code` | meaning | retried |
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
- **Database**: `DOWNLOAD_DB` is a path, or the address of a database on a
  [PostgreSQL server](operations.md#postgresql). The URLs `sqlite:////srv/bot.db` and `file:///srv/bot.db` are
  understood, other URLs and `:memory:` are refused.
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


OPTIONS = """# Options

What a row asks for beyond its URL: a JSON object in its column `options`, at most {bytes} bytes. Everything in it is
safe from a stranger, so a bot can pass on what people type.

```sql
INSERT INTO downloads(url, options) VALUES ('https://example.com/film.mkv', '{{"max_mib": 2000}}');
```

```python
from reactor import SyncQueue

with SyncQueue("bot.db") as queue:
    id = queue.add("https://example.com/film.mkv", options={{"max_mib": 2000, "name": "my film"}})
    print(queue.get(id).options)
```

- It is read when the row is taken up. A key or a value that is not known fails the row with `bad_options`, and the
  sentence names the key; `Queue.add` raises the same at once.
- `null` stands for the default.
- An option that does not apply to what was found (subtitles of a disk image) is passed over, and the column `notes`
  says so. With `"strict": true` the row fails with `not_as_wished`.
- A retry asks for what stands in the column then. Partial files are used again only where the bytes are the same.

## Keys

| key | takes | default | applies to |
| --- | --- | --- | --- |
{keys}

{inner}

## What is made of films and sounds

With `ffmpeg`, when all is there; without options nothing is written anew but the join of what comes in parts.

- `want: audio` takes the sound out as it is (`best`: m4a, opus, mp3, …), or encodes it: mp3 (`kbps`, else variable, of
  about 190), m4a (192), opus (128), flac, wav. What has that codec already is copied, unless `kbps` says otherwise. The
  cover is the picture of the site, else one of the film, as jpg inside the file (not in wav); tags are title, artist,
  date, and the page as comment. `want: cover` gives a jpg alone: where a site has one, nothing of the film is fetched.
- `clip` gives each clip as a file; several are numbered in a folder. Of HLS, DASH and yt-dlp's formats in segments only
  those segments are fetched that the clips need. `cut: keyframe` copies, and so begins up to some seconds earlier, at
  the keyframe before; `exact` encodes the picture anew (h264), which takes time. Picture and sound begin together
  either way.
- `chapters` of a site are inside what is joined; `split` gives a file for each in a folder.
- `sponsorblock` asks the server of `SPONSORBLOCK_URL` about YouTube's videos: `mark` makes chapters of what viewers
  have marked, `remove` cuts it out as `cut` says.
- `thumbnail`: `file` puts a jpg beside the film, in a folder; `embed` puts it inside (not in webm).
- `split_mib` splits what is larger, into a folder with the pieces in place of the whole: a film or a sound at
  keyframes, each piece to be played by itself (`film.001.mp4`, …), anything else by its bytes (`disk.iso.001`, …),
  which make the file again one after the other. Of a folder or a torrent only the files that are larger are split. It
  takes as much of the disk again while it works. A film that has no keyframe where it would have to be cut is split by
  its bytes, and `notes` say so.
- `live` records a broadcast that is still running, from its newest segments on, for `max_s` seconds (`LIVE_MAX_S` at
  most): HLS without an end, DASH that is `dynamic`, by a manifest, a page or yt-dlp. It goes on when its list cannot
  be had for a while (`LIVE_PATIENCE_S`); where segments are gone, it begins anew or says so itself (a discontinuity),
  another part begins: several parts come as files of a folder, and `notes` say so. What was recorded outlives a kill;
  a broadcast that has ended, or could be more than `max_mib`, is over. `wait_s` waits for one that has not begun. What
  is recorded takes up a slot only where `SLOW_MAX` others are slow already; what waits takes one. What has its end is
  downloaded as always.
- What cannot be made costs nothing: the row has what was fetched, and `notes` say why. Only a clip of what is not there
  fails it (`not_as_wished`), or `strict`.

## Presets

`PRESETS` names a TOML file of presets, and a row names some of them in `use`: `{{"use": ["music"]}}`. Of several the
later one counts more, and most what the row says itself; `null` takes away what a preset says. `contrib/presets.toml`
has five: `phone`, `music`, `archive`, `small` and `subtitles`. The file is read again when it has changed; a version
that cannot be used changes nothing and is told in the journal (`presets_unusable`), and at the start it is an error.

A preset takes all keys but `use`, and these, which a row may not say itself:

| key | takes |
| --- | --- |
{presets}

`folder` is made where it is missing; with an aria2 elsewhere whose disk is not shared it changes nothing. `proxy` is
asked by yt-dlp alone, in place of the guard; what it finds is fetched as always.

`headers` and `login` are for the row's own URL where that is at one of their hosts, since a row may name any. A login
goes to yt-dlp as user name and password, and to servers of files as Basic:
`login = {{ hosts = ["site.example"], user = "ann", password = "…" }}`,
`headers = {{ hosts = ["site.example"], values = {{ X-Key = "…" }} }}`.

## What an owner always wants

Each owner of rows may have options that count wherever a row does not say otherwise; a bot makes its `/settings` of
them. They stand over presets and under what the row says: settings < presets < the owner's < the row. `null` in a row
takes one away, and `use` among them names presets for all of the owner's rows.

```python
from reactor import SyncQueue

with SyncQueue("bot.db") as queue:
    queue.set_defaults(42, {{"quality": 720, "subtitles": {{"languages": ["de"]}}}})
    queue.add("https://example.com/film.mkv", owner=42, options={{"subtitles": None}})
    print(queue.defaults(42))
```

```sh
reactor defaults 42 --quality 720 --ask formats
reactor defaults 42
reactor defaults 42 --clear
```

```sql
INSERT OR REPLACE INTO reactor_defaults(owner, options) VALUES ('42', '{{"quality": 720}}');
DELETE FROM reactor_defaults WHERE owner = '42';
```

- They are read when a row is taken up, as its own options are. What cannot be understood fails the owner's rows with
  `bad_options`, and the sentence says that it is among these; `set_defaults` raises it at once.
- `''` (in Python `None`) is the owner of rows without one.
- `ask` and `playlist` among them are not said of the entries of a list.

## Examples

| asked for | options |
| --- | --- |
{examples}
"""
EXAMPLES: Mapping[str, dict[str, Any]] = {
    "nothing in particular": {},
    "a film that old phones play": {"quality": 720, "container": "mp4", "codec": "h264"},
    "the sound alone": {"want": "audio", "audio": {"format": "mp3", "kbps": 192}},
    "subtitles inside the film": {"subtitles": {"languages": ["de", "en"], "as": "embed"}},
    "a part of it, cut at the frame": {"clip": [["1:30", "2:10"]], "cut": "exact"},
    "the first twenty of a list, none of them twice": {"playlist": {"mode": "all", "items": "1-20"}, "again": "reuse"},
    "to be asked which files of a torrent": {"ask": "files"},
    "the files that were chosen then": {"files": [2, 5]},
    "the house's way, with cookies, in pieces for an upload": {"use": ["house"], "cookies": "mine", "split_mib": 1950},
}
"""What people ask for, and how a row says it."""


def options() -> str:
    """options.md."""
    keys = [
        f"| `{name}` | {_in_a_table(field.description or '')} | {_default_of(field)} | {_applies(name)} |"
        for name, field in Options.model_fields.items()
    ]
    inner = [
        _inner(name, found) for name, field in Options.model_fields.items() if (found := model_of(field.annotation))
    ]
    presets = [
        f"| `{name}` | {_in_a_table(field.description or '')} |"
        for name, field in PresetOptions.model_fields.items()
        if name in ONLY_PRESETS
    ]
    examples = [f"| {asked} | `{json.dumps(said)}` |" for asked, said in EXAMPLES.items()]
    return OPTIONS.format(
        bytes=OPTIONS_BYTES_MAX,
        keys="\n".join(keys),
        inner="\n\n".join(inner),
        examples="\n".join(examples),
        presets="\n".join(presets),
    )


def _inner(key: str, fields: type[BaseModel]) -> str:
    """The keys of an object."""
    rows = [
        f"| `{field.alias or name}` | {_in_a_table(field.description or '')} | {_default_of(field)} |"
        for name, field in fields.model_fields.items()
    ]
    return "\n".join([f"### `{key}`", "", "| key | takes | default |", "| --- | --- | --- |", *rows])


def _in_a_table(text: str) -> str:
    return text.replace("|", "\\|")


def _default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel) or field.default in (None, ()):
        return ""
    value = field.default
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


def _applies(key: str) -> str:
    where = APPLIES[key].to
    if len(where) == len(NAMES):
        return "everything"
    return ", ".join(SHORT[what] for what in NAMES if what in where) or "not built yet"


SHORT = {
    "file": "files",
    "media file": "films and sound as files",
    "torrent": "torrents",
    "stream": "manifests",
    "media": "sites",
    "broadcast": "broadcasts",
    "list": "lists",
}


def openapi() -> str:
    """openapi.json."""
    return json.dumps(document(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "error-codes.md": error_codes,
    "openapi.json": openapi,
    "options.md": options,
    "settings.md": settings,
}
"""Name of a page → what makes it."""


if __name__ == "__main__":
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")
