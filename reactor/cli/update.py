"""`reactor update`: upgrade yt-dlp in place."""

from __future__ import annotations

import typer


def update() -> None:
    """Upgrade yt-dlp with pip, in the environment of reactor.

    A reactor that is running uses the new version for its next page; it need not be restarted.
    """
    from reactor.extractors.ytdlp.upgrade import upgrade

    before, after = upgrade()
    typer.echo(f"yt-dlp {before} is the newest." if before == after else f"yt-dlp {before} → {after}")
