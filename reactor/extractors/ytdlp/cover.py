"""A cover alone is a small file of its own: where a site shows one, nothing of the film is fetched for it."""

from __future__ import annotations

from reactor.errors import DownloadError
from reactor.extractors.base import Context
from reactor.files.converted import PICTURES
from reactor.files.names import clean_name
from reactor.models import Kind
from reactor.net.redirects import MagnetRedirect, follow
from reactor.plan import About, Extraction, Fetch, Finish


async def cover_alone(about: About, title: str | None, context: Context) -> Extraction | None:
    """The picture that the site shows of the film, as the one file to fetch; None where there is none, or another thing
    is wanted."""
    if context.options.want != "cover" or not about.thumbnail:
        return None
    try:
        async with follow("GET", about.thumbnail, context.http) as (_, response):
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            suffix = PICTURES.get(kind) if response.status == 200 else None
    except (DownloadError, MagnetRedirect):
        return None
    if suffix is None:
        return None
    name = clean_name(f"{title or 'cover'}{suffix}")
    finish = Finish(how="file", name=name, about=about, options=context.options)
    return Extraction(kind=Kind.YTDLP, title=title, fetches=(Fetch(urls=(about.thumbnail,), name=name),), finish=finish)
