"""Image posts and galleries, as gallery-dl lists them: one file, or one folder. What leads to several is a list.

gallery-dl only lists; aria2 fetches. None of its configuration files is read. What the operator wants it to know stands
in EXTRACTOR_OPTIONS:

    {"gallery": {"sites": {"https://booru.example": "szurubooru"},        software that it knows, on other hosts
                 "options": {"pixiv": {"refresh-token": "…"}}}}           its own options, by site

It is asked for the hosts of images below, and for every page that nobody else is for; it may have none for it, too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Any

from gallery_dl import config, exception, formatter
from gallery_dl import extractor as extractors
from gallery_dl.extractor.message import Message

from reactor.extractors.plugins.api import (
    Cookie,
    Detection,
    DownloadError,
    Entries,
    Extraction,
    File,
    Link,
    Matcher,
    Onward,
    PluginContext,
)

HOSTS = ("imgur.com", "flickr.com", "imgbox.com", "imagebam.com", "pixiv.net", "artstation.com", "deviantart.com")
FILES_MAX = 1000
KEPT_HEADERS = ("Referer", "User-Agent")
"""Of its session: what the servers of images want to see."""


class Gallery:
    name = "gallery"
    matchers = (*(Matcher(f"*://*.{host}/*") for host in HOSTS), Matcher("*://*/*", -1))

    async def extract(self, detection: Detection, context: PluginContext) -> Extraction | Entries | Onward | None:
        return await asyncio.to_thread(listed, detection.url, context)


def listed(url: str, context: PluginContext) -> Extraction | Entries | Onward | None:
    """What is at a URL; None where gallery-dl knows nothing of such."""
    configure(context)
    found = extractors.find(_with_software(url, context.settings.get("sites", {})))
    if found is None:
        return None
    try:
        title, files, others, whole = _read(found, max(context.reach, 2))
    except exception.GalleryDLException as error:
        raise _told(error, found.category) from None
    if files:
        _keep_cookies(found, context)
        notes = [f"Only the first {FILES_MAX} files were taken."] if not whole else []
        return context.folder_of(title or found.category, files[:FILES_MAX], notes=notes)
    if len(others) == 1:
        return Onward(others[0])
    if others:
        return Entries(title or found.category, [Link(each) for each in others], whole)
    raise DownloadError("There is nothing to download in this post.", code="unsupported")


def configure(context: PluginContext) -> None:
    """All that gallery-dl is told: no file is read."""
    config.clear()
    ours: dict[str, Any] = {"proxy-env": False, "netrc": False, "retries": 1, "timeout": 20}
    ours["verify"] = os.environ.get("SSL_CERT_FILE", True)
    if context.proxy is not None:
        ours["proxy"] = context.proxy
    for name, value in ours.items():
        config.set(("extractor",), name, value)
    for site, options in context.settings.get("options", {}).items():
        for name, value in options.items():
            if name not in ours and name != "proxy":
                config.set(("extractor", site), name, value)


def _with_software(url: str, sites: Mapping[str, str]) -> str:
    """With the name of the software in front, which gallery-dl wants for hosts that it does not know."""
    home = next((home for home in sites if url.startswith(f"{home.rstrip('/')}/")), None)
    return url if home is None else f"{sites[home]}:{url}"


def _read(found: Any, reach: int) -> tuple[str, list[File], list[str], bool]:
    """The title, the files, other pages that it leads to, and whether that is all."""
    title, files, others = "", list[File](), list[str]()
    for message in found:
        kind, url, told = message
        if kind == Message.Directory:
            title = title or _formatted(found.directory_fmt[-1], told)
        elif kind == Message.Url and url.startswith(("http://", "https://")):
            files.append(File(url, _formatted(found.filename_fmt, told), headers=dict(_headers(found, told))))
        elif kind == Message.Queue or url.startswith("ytdl:"):
            others.append(url.removeprefix("ytdl:"))
        if len(files) > FILES_MAX or (len(others) > reach and not files):
            return title, files, others, False
    return title, files, others, True


def _formatted(pattern: str, told: Mapping[str, Any]) -> str:
    try:
        return str(formatter.parse(pattern).format_map(told))
    except Exception:  # noqa: BLE001 - a name that cannot be made is made of the URL
        return ""


def _headers(found: Any, told: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = told.get("_http_headers") or {}
    named = {name: found.session.headers.get(name) for name in KEPT_HEADERS} | dict(given)
    return ((name, str(value)) for name, value in named.items() if value)


def _keep_cookies(found: Any, context: PluginContext) -> None:
    context.jar.add(
        Cookie(
            name=each.name,
            value=each.value or "",
            domain=each.domain.lstrip("."),
            path=each.path or "/",
            secure=each.secure,
            host_only=not each.domain_specified,
        )
        for each in found.cookies
        if each.domain
    )


def _told(error: Exception, site: str) -> DownloadError:
    said = " ".join(str(error).split())[:300] or type(error).__name__
    message = f"{site}: {said}"
    if isinstance(error, exception.AuthRequired | exception.AuthorizationError | exception.AuthenticationError):
        return DownloadError(message, code="needs_login")
    if isinstance(error, exception.ChallengeError):
        return DownloadError(message, code="needs_browser")
    if isinstance(error, exception.NotFoundError) or getattr(error, "status", 0) in (404, 410):
        return DownloadError(message, code="not_found")
    if isinstance(error, exception.HttpError):
        return DownloadError(message, code="unreachable", retryable=True)
    return DownloadError(message, code="unsupported")


extractor = Gallery()
