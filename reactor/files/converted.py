"""Whether something else is to be made of what was fetched, by what the row asks for."""

from __future__ import annotations

from pathlib import PurePath

from reactor.files.suffixes import TIMED_SUFFIXES
from reactor.options import NO_OPTIONS
from reactor.plan import Finish

PICTURES = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "image/bmp": ".bmp"}
"""Of which a cover is made, by their media types."""


def converts(finish: Finish) -> bool:
    """True if it is, where that is a film or a sound: as far as its name tells."""
    asked = finish.options
    if asked == NO_OPTIONS or not may_be_media(finish):
        return False
    # What is joined gets its chapters on the way; another's file is not written anew unasked.
    alone = finish.how == "file"
    marks = bool(finish.marks) and (
        asked.sponsorblock.mode == "remove" or (alone and asked.sponsorblock.mode == "mark")
    )
    chapters = alone and bool(finish.chapters) and "chapters" in asked.model_fields_set and asked.chapters == "embed"
    return (
        asked.want in ("audio", "cover")
        or bool(asked.clip)
        or asked.thumbnail != "none"
        or asked.chapters == "split"
        or marks
        or chapters
    )


def may_be_media(finish: Finish) -> bool:
    """True for what is joined, and for a file whose name is that of a film or a sound, or says nothing; where a cover
    is wanted, for pictures, too."""
    suffix = PurePath(finish.name).suffix.lower()
    cover = finish.options.want == "cover" and suffix in PICTURES.values()
    return finish.how == "media" or (finish.how == "file" and (cover or suffix[1:] in ("", *TIMED_SUFFIXES)))
