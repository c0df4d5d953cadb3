"""Flags for what is wanted of a URL, which `add` and `get` share, as the JSON object of the column `options`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Annotated, Any, get_type_hints

import typer

from reactor.errors import ReactorError

Audio = Annotated[
    str | None, typer.Option("--audio", metavar="FORMAT", help="Audio only: best, mp3, m4a, opus, flac or wav.")
]
Quality = Annotated[
    str | None, typer.Option("--quality", metavar="LINES", help="Height of the video such as 720, or best, or worst.")
]
Container = Annotated[str | None, typer.Option("--container", metavar="NAME", help="mp4, mkv or webm.")]
Language = Annotated[str | None, typer.Option("--language", metavar="TAG", help="Audio language, such as de.")]
Subtitles = Annotated[
    str | None, typer.Option("--subtitles", metavar="TAGS", help="Subtitle languages, such as de,en.")
]
Clip = Annotated[
    list[str] | None,
    typer.Option("--clip", metavar="FROM-TO", help="Only this part, such as 1:30-2:10; may be repeated."),
]
Playlist = Annotated[
    str | None, typer.Option("--playlist", metavar="ITEMS", help="Entries of a list: 1-20, 3,5,-1, all or one.")
]
Files = Annotated[
    str | None, typer.Option("--files", metavar="FILES", help="Files of a torrent: 1,4, or *.mkv, or largest.")
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="File name; may contain placeholders, see options.md.")
]
Use = Annotated[
    list[str] | None, typer.Option("--use", metavar="PRESET", help="A preset of the operator; may be repeated.")
]
Ask = Annotated[
    str | None,
    typer.Option("--ask", metavar="WHAT", help="Ask first: formats, items, files or all; `reactor choose` answers."),
]
Further = Annotated[
    str | None, typer.Option("--options", metavar="JSON", help="Any options, see contrib/docs/options.md.")
]


def asked(
    *,
    audio: Audio = None,
    quality: Quality = None,
    container: Container = None,
    language: Language = None,
    subtitles: Subtitles = None,
    clip: Clip = None,
    playlist: Playlist = None,
    files: Files = None,
    name: Name = None,
    use: Use = None,
    ask: Ask = None,
    options: Further = None,
) -> dict[str, Any] | None:
    """The object that says it; None when nothing is asked for. A flag wins over the same key of `options`. Raises
    DownloadError (`bad_options`) and ReactorError."""
    if not any((audio, quality, container, language, subtitles, clip, playlist, files, name, use, ask, options)):
        return None
    from reactor.options import Options, merged, parse_options, patched, read_options

    flags: dict[str, Any] = {"container": container, "language": language, "name": name, "use": use, "ask": ask}
    flags |= {
        "want": "audio" if audio else None,
        "audio": {"format": audio} if audio else None,
        "quality": _number(quality),
        "subtitles": {"languages": _parts(subtitles)} if subtitles else None,
        "clip": [_span(each) for each in clip] if clip else None,
        "playlist": _entries(playlist) if playlist else None,
        "files": _files(files) if files else None,
    }
    found = patched([read_options(options), {key: value for key, value in flags.items() if value is not None}])
    parse_options(merged([found]), Options)
    return found


def with_flags(*, but: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with these flags, `but` some, as its first options; its parameter `said` gets what they say."""

    def wrapped(command: Callable[..., None]) -> Callable[..., None]:
        flags = {name: flag for name, flag in signature(asked).parameters.items() if name not in but}
        types = get_type_hints(command, include_extras=True) | get_type_hints(asked, include_extras=True)

        @wraps(command)
        def run(**given: Any) -> None:
            told = {name: given.pop(name) for name in flags}
            command(**given, said=asked(**told))

        first, *others = (each for name, each in signature(command).parameters.items() if name != "said")
        named = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in (first, *flags.values(), *others)]
        run.__signature__ = Signature([each.replace(annotation=types[each.name]) for each in named])  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: types[each.name] for each in named}
        return run

    return wrapped


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _number(text: str | None) -> str | int | None:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else text


def _span(text: str) -> list[str]:
    start, dash, end = text.partition("-")
    if not dash:
        raise ReactorError(f"{text} is no part of a film.", hint="Say where it begins and ends: --clip 1:30-2:10.")
    return [start, end]


def _entries(text: str) -> Mapping[str, str]:
    return {"mode": text} if text in ("all", "one", "auto") else {"mode": "all", "items": text}


def _files(text: str) -> str | list[str] | list[int]:
    if text == "largest":
        return text
    parts = _parts(text)
    numbers = [int(part) for part in parts if part.isdecimal() and len(part) < 10]
    return numbers if len(numbers) == len(parts) else parts
