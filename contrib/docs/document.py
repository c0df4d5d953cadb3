"""Writes the pages of this folder that are made of the code: `python -m contrib.docs.document`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from reactor.extractors.unmet import APPLIES, NAMES
from reactor.failures import FAILURES, HTTP, OFFERS, Offer, status_phrase
from reactor.journal.ndjson import meanings_of
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
        name.upper(): f"| `{name.upper()}` | {_default(getattr(Settings, name))} | {said} | {_takes(name)} |"
        for name, said in described().items()
    }


def described() -> dict[str, str]:
    """Setting → what it means."""
    return {
        name: " ".join(said.split()) for name, said in meanings_of(sys.modules[Settings.__module__])["Settings"].items()
    }


def _default(value: Any) -> str:
    if value in (None, ""):
        return "unset"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _takes(name: str) -> str:
    field = FieldInfo.from_annotation(Settings.__annotations__[name])
    while get_args(field.annotation):  # X | None
        field = FieldInfo.from_annotation(get_args(field.annotation)[0])
    annotation = field.annotation
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

How to download a row: a JSON object in its column `options`, at most {bytes} bytes. All options are safe to accept from
strangers, so a bot can pass on what its users choose.

```sql
INSERT INTO downloads(url, options) VALUES ('https://example.com/film.mkv', '{{"max_mib": 2000}}');
```

```python
from reactor import SyncQueue

with SyncQueue("bot.db") as queue:
    id = queue.add("https://example.com/film.mkv", options={{"max_mib": 2000, "name": "my film"}})
    print(queue.get(id).options)
```

- The object is read when the row is claimed. An unknown key or value fails the row with `bad_options`, and `error`
  names the key; `Queue.add` raises the same error at once.
- `null` means the default.
- An option that does not apply to the content (subtitles of a disk image) is ignored, and the column `notes` says so.
  With `"strict": true` the row fails with `not_as_wished`.
- A retry uses the options that are in the column by then. Partial files are reused only if their bytes are the same.

## Keys

| key | takes | default | applies to |
| --- | --- | --- | --- |
{keys}

{inner}

## Processing video and audio

`ffmpeg` processes the file when it is complete. Without options only videos in parts are processed: they are joined.

- `want: audio` extracts the audio unchanged (`best`: m4a, opus, mp3, …), or encodes it: mp3 (`kbps`, else variable,
  about 190 kbit/s), m4a (192), opus (128), flac, wav. Audio that has the codec already is copied, unless `kbps` is set.
  The cover is the thumbnail of the site, else a frame of the video, as jpg inside the file (not in wav); tags are
  title, artist, date, and the page as comment. `want: cover` gives only a jpg: if the site has one, the video is not
  fetched.
- `clip` gives a file for each clip; several are numbered in a folder. Of HLS, DASH and formats in segments only the
  segments within the clips are fetched. `cut: keyframe` copies, so a clip may start seconds earlier, at the previous
  keyframe; `exact` re-encodes the video (h264), which takes time. Video and audio start together either way.
- `chapters` of a site are embedded; `split` gives a file for each, in a folder.
- `sponsorblock` queries the server of `SPONSORBLOCK_URL` about YouTube videos: `mark` adds chapters for the parts that
  viewers have marked, `remove` cuts them out, in the way of `cut`.
- `thumbnail`: `file` puts a jpg beside the video, in a folder; `embed` embeds it (not in webm).
- `split_mib` splits larger files; a folder with the pieces replaces the file. Video and audio are split at keyframes,
  and each piece plays by itself (`film.001.mp4`, …); other files are split by bytes (`disk.iso.001`, …), to be
  concatenated. Of a folder or a torrent only the larger files are split. Splitting temporarily needs the size of the
  file again as disk space. A video without a keyframe where it has to be cut is split by bytes, and `notes` says so.
- `live` records a live stream, from its newest segments on, for `max_s` seconds (`LIVE_MAX_S` at most): HLS without an
  end, or DASH that is `dynamic`, from a manifest, a page or yt-dlp. Recording continues if the playlist is unavailable
  for a while (`LIVE_PATIENCE_S`). Missing segments, a restart of the stream or a discontinuity begin another part:
  several parts become files of a folder, and `notes` says so. A recording survives a kill; it ends with the stream, or
  before it would exceed `max_mib`. `wait_s` waits for a stream that has not started. A recording occupies a slot only
  if `SLOW_MAX` others are slow already; a waiting one does. A stream that has ended is downloaded as usual.
- If processing fails, the row has the file as it was fetched, and `notes` says why. The row fails (`not_as_wished`)
  only with `strict`, or for a clip outside the video.

## Presets

`PRESETS` names a TOML file of presets, which rows select with `use`: `{{"use": ["music"]}}`. Later presets override
earlier ones, and the row's own options override presets; `null` removes an option of a preset. `contrib/presets.toml`
has five: `phone`, `music`, `archive`, `small` and `subtitles`. The file is read again when it has changed; an invalid
version is not used, and reported in the journal (`presets_unusable`). At startup it is an error.

A preset takes all keys but `use`, and these, which are not allowed in rows:

| key | takes |
| --- | --- |
{presets}

`folder` is created if missing; with a remote aria2 without a shared disk it has no effect. `proxy` is used by yt-dlp
only, in place of the guard; the media are fetched as usual.

`headers` and `login` are used only if the row's own URL is at one of their hosts, because rows may name any preset. A
login is passed to yt-dlp as user name and password, and to file servers as Basic authentication: `login = {{ hosts =
["site.example"], user = "ann", password = "…" }}`, `headers = {{ hosts = ["site.example"], values = {{ X-Key = "…" }}
}}`.

## Default options of an owner

Each owner may have default options, for example for the `/settings` of a bot. Precedence: the row, its owner's
defaults, presets, settings. `null` in a row removes a default; `use` among the defaults selects presets for all rows of
the owner.

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

- They are read when a row is claimed, like its own options. Invalid defaults fail the owner's rows with `bad_options`,
  and `error` says that the defaults are the cause; `set_defaults` raises the error at once.
- `''` (in Python `None`) stands for rows without an owner.
- The defaults `ask` and `playlist` do not apply to entries of a list.

## Examples

| to get | options |
| --- | --- |
{examples}
"""
EXAMPLES: Mapping[str, dict[str, Any]] = {
    "the defaults": {},
    "a video that old phones play": {"quality": 720, "container": "mp4", "codec": "h264"},
    "audio only": {"want": "audio", "audio": {"format": "mp3", "kbps": 192}},
    "embedded subtitles": {"subtitles": {"languages": ["de", "en"], "as": "embed"}},
    "a part of it, cut at the exact frame": {"clip": [["1:30", "2:10"]], "cut": "exact"},
    "the first 20 entries of a list, no duplicates": {"playlist": {"mode": "all", "items": "1-20"}, "again": "reuse"},
    "a question which files of a torrent": {"ask": "files"},
    "certain files of a torrent": {"files": [2, 5]},
    "the preset `house`, with cookies, split for an upload": {"use": ["house"], "cookies": "mine", "split_mib": 1950},
}
"""Examples of options."""


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
