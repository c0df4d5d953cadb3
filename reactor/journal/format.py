"""Notices as text, safe to print on a terminal: untrusted text is escaped."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import assert_never
from urllib.parse import unquote, urlsplit

from reactor import notices as n

SHOWN_MAX = 160
"""Most characters of a URL, title or reason in a line."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_ZERO_WIDTH_JOINER = "\u200d"


def clean(text: str, limit: int = SHOWN_MAX) -> str:
    """`text` as one line of visible characters: what could move the cursor, turn the direction or hide is escaped."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    # `isprintable` is stricter, and quick.
    return shown if shown.isprintable() else "".join(_visible(character) for character in shown)


def _visible(character: str) -> str:
    if character == _ZERO_WIDTH_JOINER or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


def name_in(url: str) -> str:
    """What a person would call `url` until its real name is known."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or url


def size(count: int | None) -> str:
    """Bytes for people, in powers of 1024."""
    if count is None:
        return "unknown size"
    if count < 1024:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        amount /= 1024
        if amount < 1023.95 or unit == "TiB":
            break
    return f"{amount:.1f} {unit}"


def span(seconds: float) -> str:
    """Seconds for people: `0.8 s` (whole ones: `8 s`), `42 s`, `3:05`, `2:00:00`."""
    if seconds < 9.95 and isinstance(seconds, float):
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(notice: n.Notice) -> str:
    """One line that says what happened, without the download's id."""
    match notice:
        case n.ReactorStarted() | n.ReactorDraining() | n.ReactorStopped() | n.Aria2Connected() | n.Aria2Lost():
            return _of_reactor(notice)
        case n.EntriesLost(count=count):
            return f"{count} {'lines are' if count > 1 else 'line is'} missing here: the reader was too slow"
        case n.DatabaseTroubled(reason=reason):
            return f"the database cannot be used: {clean(reason)} Retrying."
        case n.DatabaseRecovered(replaced=replaced):
            return "the database was replaced and opened anew" if replaced else "the database works again"
        case n.LeaseLost(held_s=held_s):
            return f"the lease was not renewed for {span(held_s)}: all downloads are stopped until it is"
        case n.LeaseRegained():
            return "the lease is held again: what is still this machine's goes on"
        case n.TokenRefused(address=address, count=count):
            tried = "a wrong token was" if count == 1 else f"{count} wrong tokens were"
            return f"{tried} used at the page, from {clean(address)}"
        case n.StatusUnserved() | n.TableUnserved() | n.DownloadStuck() | n.MirrorMended() | n.MirrorBroken():
            return _unserved(notice)
        case n.FilesUnwatched(reason=reason):
            return f"the database's files cannot be watched; falling back to polling: {clean(reason)}"
        case n.WebhookTroubled(reason=reason, for_good=final):
            return f"the webhook is not taken: {clean(reason)}; {'nothing more is sent' if final else 'trying again'}"
        case n.WebhookRecovered(lost=lost):
            return f"the webhook receiver accepts events again; {lost} {'event is' if lost == 1 else 'events are'} lost"
        case n.PresetsUnusable(reason=reason):
            return f"the changed presets are not used: {clean(reason)}"
        case n.YtdlpOutdated(version=version, days=days):
            return f"yt-dlp {clean(version)} is {days} days old, and sites change: `reactor update` upgrades it"
        case n.ExtractorUnusable(name=name, reason=reason):
            return f"the extractor {clean(name)} cannot be used: {clean(reason)}"
        case n.HoursChanged(open=now_open):
            return "downloads start from now on (HOURS)" if now_open else "no download starts outside HOURS"
        case n.SpeedLimitChanged(limit=limit):
            return f"speed limit for all downloads together: {f'{size(limit)}/s' if limit else 'none'}"
        case n.DiskFull(free=free, needed=needed):
            return f"the disk is full: {size(free)} free, {size(needed)} needed; no download starts"
        case n.DiskFreed(free=free):
            return f"the disk has space again: {size(free)} free"
        case n.DownloadProgressed():
            return _progress(notice)
        case n.DownloadCompleted(path=path, size=count, took_s=took, notes=notes):
            more = "".join(f"; {clean(note, 300)}" for note in notes)
            return f"downloaded {size(count)} in {span(took)} → {clean(path, 1000)}{more}"
        case n.DownloadAsked():
            return _asked(notice)
        case n.DownloadRetryScheduled() | n.DownloadFailed() | n.DownloadCancelled():
            return _setback(notice)
        case _:
            return _on_the_way(notice)


def _of_reactor(
    notice: n.ReactorStarted | n.ReactorDraining | n.ReactorStopped | n.Aria2Connected | n.Aria2Lost,
) -> str:
    match notice:
        case n.ReactorStarted(version=version, database=database, download_dir=folder, database_made=made):
            new = " (created)" if made else ""
            return f"reactor {version} serves {clean(database)}{new}; files go to {clean(folder)}"
        case n.ReactorDraining(reason=reason, under_way=under_way, until=until):
            end = datetime.fromtimestamp(until).astimezone().strftime("%Y-%m-%d %H:%M:%S")
            return f"asked to end ({clean(reason)}): {under_way} running may finish until {end}, none starts"
        case n.ReactorStopped(reason=reason, left=left):
            return f"stopped: {clean(reason)}" + (f"; {left} to resume at the next start" if left else "")
        case n.Aria2Connected(version=version, url=url, restarted=restarted):
            return f"connected to {'a new ' if restarted else ''}aria2 {clean(version)} at {clean(url)}"
        case n.Aria2Lost(reason=reason):
            return f"lost the connection to aria2: {clean(reason)}"
        case _:
            assert_never(notice)


def _unserved(
    notice: n.StatusUnserved | n.TableUnserved | n.DownloadStuck | n.MirrorMended | n.MirrorBroken,
) -> str:
    match notice:
        case n.StatusUnserved(status=status, count=count, first_download_id=first):
            word = "NULL" if status is None else f"“{clean(status)}”"
            rows = "1 row has" if count == 1 else f"{count} rows have"
            return f"{rows} the status {word}, which is never served (first: #{first}); use “pending”"
        case n.TableUnserved(table=table):
            return (
                f"the table “{clean(table)}” has rows, but only “downloads” is served, and it is empty:"
                " serve it by `reactor attach`, or add the rows there"
            )
        case n.MirrorMended(table=table, taken=taken):
            rows = "1 row is" if taken == 1 else f"{taken} rows are"
            return f"the table “{clean(table)}” was recreated, and its triggers are restored; {rows} taken"
        case n.MirrorBroken(table=table, reason=reason):
            return f"the table “{clean(table)}” is no longer attached: {clean(reason, 300)}"
        case n.DownloadStuck(error=error):
            return f"cannot be served: {clean(error, 500)}"
        case _:
            assert_never(notice)


def _progress(notice: n.DownloadProgressed) -> str:
    if notice.stage == "finishing":
        return f"{notice.progress or 0:.0f} % joined"
    if notice.stage == "metadata":
        return f"asking {notice.peers or 0} peers what it is"
    share = "" if notice.progress is None else f"{notice.progress:.0f} %, "
    whole = "" if notice.size is None else f" of {size(notice.size)}"
    left = "" if notice.eta_s is None else f", {span(notice.eta_s)} left"
    return f"{share}{size(notice.completed)}{whole} at {size(notice.speed)}/s{left}"


def _asked(notice: n.DownloadAsked) -> str:
    counts = {"formats": notice.formats, "subtitles": notice.subtitles, "entries": notice.items, "files": notice.files}
    found = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"asks what to download ({found or 'nothing to choose'}), for {span(notice.wait_s)}"


def _setback(notice: n.DownloadRetryScheduled | n.DownloadFailed | n.DownloadCancelled) -> str:
    match notice:
        case n.DownloadRetryScheduled(error=error, retry=retry, retries_max=most, delay_s=delay):
            return f"retry {retry} of {most} in {span(delay)}: {clean(error, 500)}"
        case n.DownloadFailed(error=error):
            return f"failed: {clean(error, 500)}"
        case n.DownloadCancelled(how=how):
            return "cancelled" + {"deleted": ": the row was deleted", "pending": " before it started"}.get(how, "")
        case _:
            assert_never(notice)


def _on_the_way(
    notice: n.DownloadClaimed
    | n.DownloadResumed
    | n.DownloadHeldBack
    | n.DownloadDetected
    | n.DownloadReclassified
    | n.DownloadExtracted
    | n.DownloadLane
    | n.DownloadYielded
    | n.DownloadFinishing
    | n.ListFound
    | n.ListExpanded
    | n.ListEnded
    | n.FileDeleted
    | n.FileLeft
    | n.SeedingEnded,
) -> str:
    match notice:
        case n.DownloadClaimed(url=url, attempt=attempt):
            return f"started{'' if attempt <= 1 else f' (attempt {attempt})'}: {clean(url)}"
        case n.DownloadResumed(url=url, stage=stage):
            return f"resumed after a restart ({clean(stage)}): {clean(url)}"
        case n.DownloadHeldBack(crashes=times, delay_s=delay):
            return f"reactor died {times} times in a row while working on this; retry in {span(delay)}"
        case n.DownloadDetected(kind=kind, why=why):
            return f"detected as {kind}: {clean(why)}"
        case n.DownloadReclassified(from_kind=before, to_kind=after, why=why):
            return f"reclassified from {before} to {after}: {clean(why)}"
        case n.DownloadExtracted(title=title, size=count, parts=parts, continues=continues):
            several = f", {parts} parts" if parts > 1 else ""
            return f"fetching {clean(title or 'a file')} ({size(count)}{several}{', resumed' if continues else ''})"
        case n.DownloadLane(slow=slow, speed=speed):
            return f"{'slow' if slow else 'no longer slow'} ({size(speed)}/s): it occupies {'no' if slow else 'a'} slot"
        case n.DownloadYielded(used_s=used):
            return f"yields its slot after {span(used)}: another owner is next"
        case n.DownloadFinishing():
            return "fetched; checking"
        case n.ListFound(title=title, entries=count):
            return f"a list: {clean(title or 'without a title')} ({count} entries)"
        case n.ListExpanded(entries=count, notes=notes):
            return " ".join([f"its {count} entries are queued.", *(clean(note, 300) for note in notes)])
        case n.ListEnded(status=status, done=done, failed=failed, error=error):
            why = "" if error is None else f": {clean(error, 500)}"
            return f"{status} with its entries ({done} downloaded, {failed} not){why}"
        case n.FileDeleted(path=path, size=count, reason=reason):
            why = {"age": "older than KEEP_DAYS", "size": "above KEEP_GIB", "status": "status in DELETE_STATUSES"}[
                reason
            ]
            return f"deleted {clean(path, 1000)} ({size(count)} freed): {why}"
        case n.FileLeft(path=path, reason=why, for_good=final):
            return f"not deleted{'' if final else ' yet'}: {clean(path, 1000)}: {clean(why)}"
        case n.SeedingEnded():
            return "seeding ended"
        case _:
            assert_never(notice)
