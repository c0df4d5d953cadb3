"""The process that yt-dlp lives in. It is run by its path and imports nothing of reactor.

It reads lines of JSON from its standard input and answers each with one line on its standard output; what
yt-dlp, an extractor or a library prints goes elsewhere. The first line says how to be, each other what to do:

    {"parent": PID, "path": FOLDER, "plugins": FOLDER | null, "data_bytes_max": N}
                                                                              -> {"ready": VERSION} | {"broken": WHY}
    {"id": N, "do": "suits", "url": …, "deadline_s": …}                               -> {"suits": NAME | null}
    {"id": N, "do": "extract", "url": …, "params": {…}, "cookies": TEXT, "wanted": {…}, …}        -> {"info": {…}}
                       | {"list": {…}} | {"playlist": {…}} | {"upcoming": {"at": SECONDS | null}} | {"error": {…}}

It ends with its input. It ends also when its parent dies, and when a request takes longer than its deadline
though nobody killed it, whatever it hangs in; on Linux the programs that yt-dlp started go with it.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import http.cookiejar
import importlib
import io
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

ANSWER_BYTES_MAX = 32 * 1024 * 1024
"""The longest answer, the line's end included."""
FILE_BYTES_MAX = 64 * 1024 * 1024
"""The longest file that it or a program it has started may write."""
PARTS_MAX = 20_001
"""Of more parts than a download may have none is read."""
COUNT_MAX = 10_000
COUNT_S = 5.0
"""As far, and as long, as the entries of a list are counted."""
LIST_S = 60.0
"""As long as the entries of a list are read that are wanted."""
ENTRY_URL_MAX = 16 * 1024
KEPT_BYTES_MAX = 8 * 1024 * 1024
"""Of what an extractor has found, kept until somebody has chosen."""
KEPT_DEPTH_MAX = 12
COOKIES_MAX = 300
"""As many as a jar of reactor's holds."""
PIECES_MAX = 50
"""A film in more pieces is read as a list."""
OTHERS_MAX = 3
"""Formats to fall back on when the server does not have the best."""
TEXT_MAX = 2000
CAUSES_MAX = 8
GRACE_S = 10.0
"""So long after its deadline a request ends the process, in case nobody else did."""
PR_SET_PDEATHSIG = 1

ALWAYS: Mapping[str, Any] = {
    "allow_unplayable_formats": False,
    "cachedir": False,
    "color": "never",
    "enable_file_urls": False,
    "ignore_no_formats_error": False,
    "ignoreerrors": False,
    "noplaylist": True,
    "noprogress": True,
    "quiet": True,
    "simulate": True,
    "skip_download": True,
    "usenetrc": False,
}
"""Options that nobody overrides."""
OF_INFO = (
    "id",
    "extractor_key",
    "title",
    "duration",
    "is_live",
    "live_status",
    "release_timestamp",
    "section_start",
    "section_end",
)
OF_ABOUT = (
    *("id", "title", "uploader", "channel", "artist", "creator", "album", "genre", "upload_date", "release_date"),
    *("webpage_url", "thumbnail"),
)
CHAPTERS_MAX = 1000
OF_FORMAT = (
    *("url", "ext", "protocol", "vcodec", "acodec", "filesize", "http_headers", "fragment_base_url"),
    *("manifest_url", "format_id", "width", "height", "tbr", "language"),
    *("hls_media_playlist_data", "hls_aes", "extra_param_to_segment_url", "extra_param_to_key_url", "request_data"),
)
OF_OFFER = "format_id", "vcodec", "acodec", "width", "height", "tbr", "language"
OFFERS_MAX, OFFERED_LANGUAGES_MAX = 400, 50
"""Formats and languages of subtitles that are told to a row that asks."""
OF_FRAGMENT = ("url", "path", "duration")
FETCHABLE = ("http", "https", "m3u8", "m3u8_native", "http_dash_segments")
"""Protocols that reactor fetches by; others are left out where there are these."""
TEXTS = ("vtt", "srt", "ttml", "dfxp", "ass", "ssa", "mp4")
"""Forms of subtitles that reactor reads, the best first."""
CHAT = re.compile("chat|danmaku|comments", re.IGNORECASE)
TEXTS_MAX, LANGUAGES_MAX = 5, 1000
PREFERENCE_MAX = 100
"""So far what an extractor prefers counts."""
WEBM = re.compile("vp0?[89]|av0?1|opus|vorbis")
OF_ANY_PAGE = ("Generic", "HTML5MediaEmbed")
"""The extractors that are made for no site."""
DECOR = "reactor_decor"
"""Of an entry: its page has a video element that plays over and over without its sound."""
_DECOR = re.compile(
    r"<video\b(?=[^>]{0,2000}\bloop\b)(?=[^>]{0,2000}\bmuted\b)(?![^>]{0,2000}\bcontrols\b)", re.IGNORECASE
)


class ListFound(Exception):
    """The URL is a list, not one video."""

    def __init__(self, count: int, more: bool, result: Mapping[str, Any]) -> None:
        super().__init__(count)
        pieces, page = result["_type"] == "multi_video", result.get("extractor_key") in OF_ANY_PAGE
        self.report = {"count": count, "more": more, "pieces": pieces, "page": page}


class ListRead(Exception):
    """The URL is a list, and its entries are wanted."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        super().__init__(len(told["entries"]))
        self.told = told


class NotStarted(Exception):
    """The video is announced for later."""

    def __init__(self, at: Any) -> None:
        super().__init__(at)
        self.report = {"at": at if isinstance(at, int | float) else None}


class Silent:
    """Takes yt-dlp's messages: what matters comes as an exception."""

    def debug(self, message: str) -> None:
        """Nobody reads it."""

    warning = error = debug


def main() -> None:
    """Serve until the input ends."""
    inward, outward = private_streams()
    yt_dlp = None
    for line in inward:
        request = json.loads(line)
        if yt_dlp is None:
            protect(request)
            gc.disable()  # nothing of what is imported is garbage: neither now is it looked through, nor later
            yt_dlp, answer = load(request)
            gc.freeze()
            gc.enable()
        else:
            faulthandler.dump_traceback_later(request["deadline_s"] + GRACE_S, exit=True)
            answer = {"id": request["id"], **carried_out(yt_dlp, request)}
            faulthandler.cancel_dump_traceback_later()
        outward.write(encoded(answer))
        outward.flush()
        if request.get("do") == "extract":
            gc.collect()


def private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our input and output, out of reach: whoever reads or prints from now on has the null device."""
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return inward, outward


def protect(setup: Mapping[str, Any]) -> None:
    """Limit memory and files, and see to it that nothing outlives the parent."""
    if sys.platform == "win32":
        return
    import resource

    most = setup["data_bytes_max"]
    # Not RLIMIT_AS: a JavaScript runtime reserves far more addresses than it ever uses.
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
    if sys.platform == "linux" and os.getpgrp() == os.getpid():
        # Not SIGKILL: that would leave behind what yt-dlp has started.
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != setup["parent"]:
            sys.exit()


def load(setup: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Import yt-dlp with all it knows, so that no request waits for it."""
    if setup["path"] not in sys.path:
        sys.path.append(setup["path"])
    try:
        yt_dlp: Any = importlib.import_module("yt_dlp")
        for module in (
            "cookies",
            "extractor",
            "extractor.genericembeds",
            "globals",
            "networking.impersonate",
            "plugins",
            "version",
        ):
            importlib.import_module(f"yt_dlp.{module}")
        yt_dlp.globals.plugin_dirs.value = [setup["plugins"]] if setup["plugins"] else []
        yt_dlp.plugins.load_all_plugins()
        note_decor(yt_dlp.extractor.genericembeds.HTML5MediaEmbedIE)
        suits(yt_dlp, "https://example.com/")
    except Exception as error:  # noqa: BLE001 - a broken or foreign installation fails as it likes
        return None, {"broken": f"{type(error).__name__}: {error}"[:TEXT_MAX]}
    return yt_dlp, {"ready": yt_dlp.version.__version__}


def carried_out(yt_dlp: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to one request. What an extractor raises, whatever it is, becomes a report."""
    try:
        if request["do"] == "suits":
            answer: dict[str, Any] = {"suits": suits(yt_dlp, request["url"])}
        else:
            answer = {"info": extract(yt_dlp, request)}
    except ListRead as read:
        answer = {"list": read.told}
    except ListFound as found:
        answer = {"playlist": found.report}
    except NotStarted as announced:
        answer = {"upcoming": announced.report}
    except MemoryError:
        answer = {"error": {"kinds": ["MemoryError"]}}
    except Exception as error:  # noqa: BLE001 - nearly two thousand extractors raise what they like
        answer = {"error": report(error)}
    return answer | {"resident": resident_bytes()}


def suits(yt_dlp: Any, url: str) -> str | None:
    """The extractor made for this URL's site; None when only the generic one is left."""
    return next((name for name, suitable in sites(yt_dlp) if suitable(url)), None)


@cache
def sites(yt_dlp: Any) -> list[tuple[str, Callable[[str], bool]]]:
    """Every extractor but the generic one, in their order, and the question whether a URL is for it."""
    extractors = yt_dlp.extractor.gen_extractor_classes()
    return [(e.ie_key(), e.suitable) for e in extractors if e._ENABLED and e.ie_key() != "Generic"]


@cache
def enabled(yt_dlp: Any) -> list[Any]:
    """The extractors that YoutubeDL takes by itself, in its order, which it takes a tenth of a second to find out each
    time."""
    by_name = {each.IE_NAME.lower(): each for each in yt_dlp.extractor.gen_extractor_classes()}
    return [each for each in by_name.values() if each._ENABLED]


def extract(yt_dlp: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """What reactor uses of the info dict. With a YoutubeDL, and so a cookie jar, of its own for each request."""
    with yt_dlp.YoutubeDL(params(yt_dlp, request)) as ydl:
        plain, given = ydl.process_ie_result, {key_of(each): each.value for each in ydl.cookiejar}
        found: list[Any] = []

        def process(result: dict[str, Any], download: bool = False, extra_info: Any = None) -> Any:
            if result.get("_type") == "playlist" and request.get("list"):
                result = read_list(result, request["list"])
            if result.get("_type") in ("playlist", "multi_video"):
                entries = entries_of(ydl, result)
                if len(entries) > 1:
                    return {**result, "_type": "multi_video", "entries": [process(each) for each in entries]}
                (result,) = entries
            if result.get("_type", "video") == "video":
                refuse_upcoming(result)
                if request.get("listed"):
                    ydl.add_extra_info(result, extra_info or {})
                    found.append(kept_of(result))
                keep_fetchable(result)
                mark_wanted(result, request.get("wanted") or {})
            return plain(result, False, extra_info)

        ydl.process_ie_result = process
        if request.get("kept"):
            info = process(taken_up(ydl, json.loads(request["kept"])))
        else:
            info = ydl.extract_info(request["url"], download=False)
        if not isinstance(info, dict):
            raise ValueError(f"the extractor returned {type(info).__name__}")
        pieces = pieces_of(info)
        used = {key: info.get(key) for key in OF_INFO} | {"title": title_of(info), "guess": is_guess(info)}
        chosen = [piece.get("requested_formats") or [piece] for piece in pieces]
        others = list(islice(others_of(ydl, info, chosen[0]), OTHERS_MAX)) if len(pieces) == 1 else []
        used["formats"], *used["then"] = ([of_format(each) for each in formats] for formats in chosen)
        used["others"] = [[of_format(each) for each in formats] for formats in others]
        texts = used["texts"] = list(texts_of(info, request.get("texts") or {}))
        fetched = [each for formats in (*chosen, *others, texts) for each in formats]
        used["cookies"] = cookies_of(ydl, [each.get("url") for each in fetched])
        told = {**info, "title": used["title"]}
        used["about"] = {key: told[key][:TEXT_MAX] for key in OF_ABOUT if isinstance(told.get(key), str)}
        used["chapters"] = chapters_of(info) if len(pieces) == 1 else []
        if request.get("listed") and len(pieces) == 1:
            used["offered"] = [of_offer(each) for each in islice(info.get("formats") or (), OFFERS_MAX)]
            used["subtitles"] = [*islice(info.get("subtitles") or (), OFFERED_LANGUAGES_MAX)]
            if len(found) == 1 and found[0] is not None:
                urls = [each.get("url") for each in info.get("formats") or ()]
                set_since = [each for each in cookies_of(ydl, urls) if given.get(key_of(each)) != each["value"]]
                used["kept"] = packed({"result": found[0], "cookies": set_since})
        sanitized: dict[str, Any] = ydl.sanitize_info(used)
        return sanitized


def kept_of(value: Any, depth: int = 0) -> Any:
    """A copy of what an extractor has found, of plain values only; what else there is in a dictionary is left out: it
    is for the download or for the comments. None for what is nested too deeply, or goes on for ever."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth > KEPT_DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        copies = ((str(key), kept_of(each, depth + 1)) for key, each in value.items())
        return {key: each for key, each in copies if each is not None}
    return [kept_of(each, depth + 1) for each in value] if isinstance(value, list | tuple) else None


def packed(kept: Mapping[str, Any]) -> str | None:
    """As a text; None where it is too long, or no JSON."""
    try:
        text = json.dumps(kept)
    except ValueError:
        return None
    return text if len(text) <= KEPT_BYTES_MAX else None


def taken_up(ydl: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What was found before, with the cookies that were set for it; those that are given now come first."""
    known = {key_of(each) for each in ydl.cookiejar}
    for each in kept["cookies"]:
        if key_of(each) not in known:
            ydl.cookiejar.set_cookie(cookie(each))
    result: dict[str, Any] = kept["result"]
    return result


def key_of(each: Any) -> tuple[str, str, str]:
    """By which a cookie of a jar, or one that is told, is the same."""
    told = each if isinstance(each, dict) else vars(each)
    domain = str(told["domain"]).lstrip(".").removesuffix(".local")
    return domain, str(told["path"] or "/"), str(told["name"])


def cookie(told: Mapping[str, Any]) -> http.cookiejar.Cookie:
    """One that `of_cookies` has told."""
    host_only, domain = told["host_only"], told["domain"]
    if "." not in domain:  # as http.cookiejar calls them
        domain += ".local"
    return http.cookiejar.Cookie(
        version=0,
        name=told["name"],
        value=told["value"],
        port=None,
        port_specified=False,
        domain=domain if host_only else f".{domain}",
        domain_specified=not host_only,
        domain_initial_dot=not host_only,
        path=told["path"],
        path_specified=True,
        secure=told["secure"],
        expires=None,
        discard=True,
        comment=None,
        comment_url=None,
        rest={},
    )


def chapters_of(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Beginning, end and title of each chapter, as far as they are told."""
    told = info.get("chapters")
    found = [each for each in islice(told, CHAPTERS_MAX) if isinstance(each, dict)] if isinstance(told, list) else []
    return [
        {"start": each.get("start_time"), "end": each.get("end_time"), "title": str(each.get("title") or "")[:TEXT_MAX]}
        for each in found
    ]


def pieces_of(info: dict[str, Any]) -> list[dict[str, Any]]:
    """The videos that a film consists of, in order."""
    if info.get("_type") != "multi_video":
        return [info]
    pieces = [piece for each in info["entries"] for piece in pieces_of(each)]
    if len(pieces) > PIECES_MAX:
        raise ListFound(len(pieces), False, info)
    return pieces


def refuse_upcoming(result: Mapping[str, Any]) -> None:
    """Raise NotStarted for what is announced; yt-dlp would only miss its formats."""
    at = result.get("release_timestamp")
    later = isinstance(at, int | float) and at > time.time()
    if result.get("live_status") == "is_upcoming" or (later and not result.get("formats") and not result.get("url")):
        raise NotStarted(at)


def keep_fetchable(result: dict[str, Any]) -> None:
    """Leave out the formats that reactor does not fetch, where there are others."""
    formats = result.get("formats")
    if isinstance(formats, list) and (kept := [each for each in formats if is_fetchable(each)]):
        result["formats"] = kept


def mark_wanted(result: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Let `language_preference`, which formats are sorted by first, tell how well each is what was asked for: by its
    language, then its codec, then the container that it fits. What the extractor prefers comes after that."""
    formats = result.get("formats")
    if not wanted or not isinstance(formats, list):
        return
    tag, codec, webm = wanted["language"], re.compile(wanted["codec"] or "$^"), wanted["webm"]
    apart = max((fits(each.get("language"), tag) for each in formats if each.get("vcodec") == "none"), default=0)
    for each in formats:
        silent = each.get("acodec") == "none"
        spoken = apart if silent else fits(each.get("language"), tag)
        coded = bool(codec.match(str(each.get("vcodec") or "").lower()))
        place = 4 * spoken + 2 * coded + (webm and is_webm(each))
        told = each.get("language_preference")
        before = max(-PREFERENCE_MAX, min(PREFERENCE_MAX, told)) if isinstance(told, int | float) else -1
        each["language_preference"] = 10 * PREFERENCE_MAX * place + before


def texts_of(info: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One subtitle for each language that is wanted, where there is one; without languages, those that people made.
    Of a language nothing else is asked for, and never the chat of a broadcast."""
    if not wanted:
        return
    human, machine = (readable(info.get(key)) for key in ("subtitles", "automatic_captions"))
    order = {"fallback": (human, machine), "prefer": (machine, human), "never": (human,), "only": (machine,)}
    tags = wanted["languages"] or [[tag.lower().replace("_", "-")] for tag in list(human)[:TEXTS_MAX]]
    for tag in tags:
        for found in order[wanted["auto"]]:
            best = max(found, key=lambda each: fits(each, tag), default=None)
            if best is not None and fits(best, tag):
                yield {"tag": best, "auto": found is machine, **of_text(found[best], automatic=found is machine)}
                break


def readable(told: Any) -> dict[str, list[dict[str, Any]]]:
    """By its language, what can be fetched and read."""
    found: dict[str, list[dict[str, Any]]] = {}
    for tag, entries in islice(told.items(), LANGUAGES_MAX) if isinstance(told, dict) else ():
        some = entries if isinstance(entries, list) else []
        kept = [each for each in some if is_fetchable(each) and each.get("ext") in TEXTS and each.get("url")]
        if isinstance(tag, str) and kept and not CHAT.search(tag):
            found[tag] = kept
    return found


def of_text(entries: Sequence[Mapping[str, Any]], *, automatic: bool) -> dict[str, Any]:
    """What reactor uses of the best of several forms. Of what a machine made, SRT: its WebVTT repeats each line."""
    forms = ("srt", *TEXTS) if automatic else TEXTS
    best = min(entries, key=lambda each: forms.index(each["ext"]))
    protocol = best.get("protocol") or urlsplit(best["url"]).scheme
    return of_format(best) | {"protocol": protocol, "name": str(best.get("name") or "")[:TEXT_MAX]}


def is_webm(format_: Mapping[str, Any]) -> bool:
    """Whether it goes into a WebM, as far as is told."""
    codecs = [str(format_.get(key) or "").lower() for key in ("vcodec", "acodec")]
    return all(each == "none" or (each and WEBM.match(each)) for each in codecs) or format_.get("ext") == "webm"


def fits(tag: Any, wanted: Sequence[str]) -> int:
    """How well a language tag is what is wanted, as `media.languages.fits` has it. `wanted`: a tag, and other codes of
    its language."""
    if not isinstance(tag, str) or not wanted:
        return 0
    asked, *same = wanted
    first, dash, rest = tag.lower().replace("_", "-").partition("-")
    found = f"{asked.partition('-')[0] if first in same else first}{dash}{rest}"
    if found == asked:
        return 3
    return 2 if found.startswith(f"{asked}-") else 1 if asked.startswith(f"{found}-") else 0


def is_fetchable(format_: Any) -> bool:
    if not isinstance(format_, dict):
        return False
    protocol = format_.get("protocol") or urlsplit(str(format_.get("url") or "")).scheme
    return protocol in FETCHABLE


def others_of(ydl: Any, info: Mapping[str, Any], chosen: Iterable[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """What yt-dlp would choose if these formats did not exist, then without those, and so on: single files only."""
    formats = list(info.get("formats") or ())
    while True:
        gone = {each.get("format_id") for each in chosen}
        formats = [each for each in formats if each.get("format_id") not in gone]
        try:
            selected = ydl._select_formats(formats, ydl.format_selector) if formats else []
        except Exception:  # noqa: BLE001 - a part of yt-dlp that promises nothing: then there are no others
            return
        if not selected:
            return
        chosen = selected[-1].get("requested_formats") or [selected[-1]]
        if all(each.get("protocol") in ("http", "https") for each in chosen):
            yield list(chosen)


def is_guess(info: Mapping[str, Any]) -> bool:
    """Whether it may be a preview: what an unknown page tells of itself (og:video), or has as a decoration."""
    if info.get("extractor_key") == "HTML5MediaEmbed":
        return info.get(DECOR) is True
    said = any(info.get(key) is not None for key in ("duration", "timestamp", "upload_date", "requested_formats"))
    plain = info.get("protocol") in ("http", "https")
    return info.get("extractor_key") == "Generic" and plain and not said and not info.get("direct")


def note_decor(extractor: Any) -> None:
    """Have the extractor for video elements say of what it found that it may decorate the page."""
    plain = extractor._extract_from_webpage

    def extract(self: Any, url: str, webpage: str) -> Iterator[dict[str, Any]]:
        decor = bool(_DECOR.search(webpage))
        for entry in plain(self, url, webpage):
            yield {**entry, DECOR: decor}

    extractor._extract_from_webpage = extract


def title_of(info: Mapping[str, Any]) -> Any:
    """Without the number that a video element of a page has, also the only one: there is no other here. Of a page
    without a title yt-dlp makes `None (1)`."""
    title = info.get("title")
    if info.get("extractor_key") != "HTML5MediaEmbed" or not isinstance(title, str):
        return title
    return None if title == "None (1)" else title.removesuffix(" (1)")


def params(yt_dlp: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """The options of YoutubeDL."""
    wished = dict(request["params"])
    if wished.get("impersonate"):
        wished["impersonate"] = yt_dlp.networking.impersonate.ImpersonateTarget.from_str(wished["impersonate"])
    if request["cookies"]:  # a file would outlive a process that is killed
        wished["cookiefile"] = io.StringIO(request["cookies"])
    always = {**ALWAYS, "noplaylist": not (request.get("list") or {}).get("all")}
    return {**wished, **always, "logger": Silent()}


def entries_of(ydl: Any, result: dict[str, Any]) -> list[dict[str, Any]]:
    """The one entry of a list of one, or the pieces of a film. Raises ListFound for any other list, counted as far as
    that is quick."""
    told, most = result.get("playlist_count"), PIECES_MAX if result["_type"] == "multi_video" else 1
    if isinstance(told, int) and told > most:
        raise ListFound(told, False, result)
    kept, count, until = [], 0, time.monotonic() + COUNT_S
    for entry in result.get("entries") or ():
        if count < most:
            kept.append(entry)
        count += 1
        if count > most and (count >= COUNT_MAX or time.monotonic() > until):
            raise ListFound(count, True, result)
    if not 1 <= count <= most or not all(isinstance(each, dict) for each in kept):
        raise ListFound(count, False, result)
    outer = ("extractor", "extractor_key", "original_url", "webpage_url", "__x_forwarded_for_ip")
    for each in kept:
        ydl.add_extra_info(each, {key: result[key] for key in outer if key in result})
    return kept


def read_list(result: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ListRead where this is a list whose entries are wanted: `reach` of them are read, and those of a page of
    any site only where `all` are wanted. Else the list, as it was found."""
    if result.get("extractor_key") in OF_ANY_PAGE and not asked["all"]:
        return result
    read, whole = walked(result, asked["reach"], time.monotonic() + LIST_S)
    if whole and len(read) < 2:
        return {**result, "entries": read, "playlist_count": None}
    here = {result.get("webpage_url"), result.get("original_url")}
    told = [of_entry(entry, here) for entry in read]
    entries = [{**entry, "position": place} for place, entry in enumerate(told, 1) if entry]
    if not entries:
        return {**result, "entries": read, "playlist_count": None}
    count, title = result.get("playlist_count"), result.get("title")
    raise ListRead(
        {
            "title": title if isinstance(title, str) else None,
            "total": count if isinstance(count, int) else None,
            "whole": whole,
            "left": len(told) - len(entries),
            "entries": entries,
        }
    )


def walked(result: Mapping[str, Any], reach: int, until: float) -> tuple[list[Any], bool]:
    """The entries of a list, those of lists that stand inside it with them; and whether that is all of them."""
    read: list[Any] = []
    inside = [iter(result.get("entries") or ())]
    while inside:
        entry = next(inside[-1], None)
        if entry is None:
            inside.pop()
        elif isinstance(entry, dict) and entry.get("_type") == "playlist" and len(inside) < CAUSES_MAX:
            inside.append(iter(entry.get("entries") or ()))
        else:
            read.append(entry)
            if len(read) >= reach or time.monotonic() > until:
                return read, False
    return read, True


def of_entry(entry: Any, here: Collection[Any]) -> dict[str, Any] | None:
    """What is told of an entry; None where it has no address of its own. `here`: those of the list."""
    if not isinstance(entry, dict):
        return None
    own = [entry.get("url")] if entry.get("_type") in ("url", "url_transparent") else []
    own += [url for url in (entry.get("webpage_url"), entry.get("original_url")) if url not in here]
    media = [entry.get("manifest_url"), entry.get("url")]
    formats = [each for each in entry.get("formats") or () if isinstance(each, dict)]
    if formats:
        media += [formats[-1].get("manifest_url"), formats[-1].get("url")]
    page = next(filter(is_address, own), None)
    url = page or next(filter(is_address, media), None)
    if url is None:
        return None
    site, id, title = entry.get("ie_key") or entry.get("extractor_key"), entry.get("id"), entry.get("title")
    known = site and site not in OF_ANY_PAGE and isinstance(id, str) and id
    return {
        "key": f"{site}:{id}".lower() if known else url,
        "url": url,
        "title": title[:TEXT_MAX] if isinstance(title, str) else None,
        "referer": None if page else next(filter(is_address, here), None),
    }


def is_address(url: Any) -> bool:
    """True for a URL of http or https that can stand in a row."""
    return isinstance(url, str) and len(url) <= ENTRY_URL_MAX and bool(_ADDRESS.fullmatch(url))


_ADDRESS = re.compile(r"https?://[^\s\x00-\x20]+")


def of_format(format_: Mapping[str, Any]) -> dict[str, Any]:
    """What reactor uses of one format."""
    fragments = format_.get("fragments")
    return {
        **{key: format_[key] for key in OF_FORMAT if format_.get(key) is not None},
        "fragments": None if fragments is None else list(islice(map(of_fragment, fragments), PARTS_MAX)),
    }


def of_offer(format_: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody chooses a format by."""
    size = format_.get("filesize") or format_.get("filesize_approx")
    return {key: format_.get(key) for key in OF_OFFER} | {"filesize": size, "exact": bool(format_.get("filesize"))}


def of_fragment(fragment: Mapping[str, Any]) -> dict[str, Any]:
    return {key: fragment[key] for key in OF_FRAGMENT if fragment.get(key) is not None}


def cookies_of(ydl: Any, urls: Iterable[Any]) -> list[dict[str, Any]]:
    """The cookies that the jar has for these URLs, each once."""
    found = {tuple(cookie.values()): cookie for url in urls for cookie in of_cookies(ydl, url)}
    return list(islice(found.values(), COOKIES_MAX))


def of_cookies(ydl: Any, url: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(url, str):
        return
    host = urlsplit(url).hostname or ""
    for cookie in ydl.cookiejar.get_cookies_for_url(url):
        host_only = not cookie.domain_specified and not cookie.domain.startswith(".")
        if host_only and cookie.domain not in (host, f"{host}.local"):  # the jar is generous to hosts below
            continue
        yield {
            "name": cookie.name,
            "value": cookie.value or "",
            "domain": host if host_only else cookie.domain.lstrip("."),
            "path": cookie.path or "/",
            "secure": bool(cookie.secure),
            "host_only": host_only,
        }


def report(error: BaseException) -> dict[str, Any]:
    """An exception and its causes: their classes, the first text, and the facts that some of them have."""
    found: dict[str, Any] = {"kinds": [], "text": "", "expected": False, "status": None, "retry_after": None}
    for each in causes(error):
        found["kinds"] += [kind.__name__ for kind in type(each).__mro__[:-2]]
        text = str(getattr(each, "orig_msg", None) or (each if type(each).__name__ != "DownloadError" else ""))
        found["text"] = found["text"] or text[:TEXT_MAX]
        found["expected"] = found["expected"] or bool(getattr(each, "expected", False))
        response = getattr(each, "response", None)
        if found["status"] is None and response is not None:
            found["status"] = int(response.status)
            found["retry_after"] = response.get_header("Retry-After")
    found["text"] = found["text"] or str(error)[:TEXT_MAX]
    return found


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what led to it, as yt-dlp keeps it: `cause`; for its outermost error the context."""
    for _ in range(CAUSES_MAX):
        if error is None:
            return
        yield error
        inner = getattr(error, "cause", None)
        around = error.__context__ if type(error).__name__ == "DownloadError" else error.__cause__
        error = inner if isinstance(inner, BaseException) else around


def encoded(answer: Mapping[str, Any]) -> bytes:
    """One line; another one when it is too long."""
    line = json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    if len(line) <= ANSWER_BYTES_MAX:
        return line
    return encoded({"id": answer["id"], "error": {"kinds": ["AnswerTooLong"]}, "resident": answer["resident"]})


def resident_bytes() -> int:
    """The memory this process holds now; 0 where that is not told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


if __name__ == "__main__":
    main()
