"""The events and decisions of the core in plain words, for `reactor replay`."""

from __future__ import annotations

from collections.abc import Iterable

from reactor.core import events as e
from reactor.core.events import Event
from reactor.journal.format import clean, size, span
from reactor.patterns import pattern

DECIDED = {
    "PollRows": "polls the rows",
    "Recover": "reads what an earlier run left",
    "SaveTakenUp": "saves that it is worked on again",
    "TakeOver": "takes over the rows of lost machines",
    "ReadPlan": "reads its plan",
    "ForgetCrashes": "no longer suspects it",
    "ChargeOwner": "charges its owner for its slot time",
    "SaveEntries": "adds rows for entries",
    "SaveListed": "leaves the list to its entries",
    "SavePlan": "saves its plan",
    "SaveProgress": "saves its progress",
    "SaveDownloaded": "saves that it is downloaded",
    "SaveChoices": "saves its question",
    "SaveWaiting": "schedules its retry",
    "SaveFailed": "saves that it failed",
    "SaveCancelled": "saves that it is cancelled",
    "ForgetPlan": "deletes its plan",
    "Detect": "detects the kind of its URL",
    "Prefetch": "probes the URL of the next row",
    "Extract": "extracts what there is to fetch",
    "Finish": "checks it, joins its parts and publishes it",
    "StopWork": "stops all work on it",
    "Fence": "stops it at once",
    "Discard": "deletes its files",
    "Tidy": "deletes leftovers of published downloads",
    "AddTransfers": "hands it to aria2",
    "RemoveTransfers": "removes it from aria2",
    "ForgetTransfers": "removes results from aria2",
    "AskStatus": "asks aria2",
    "Inquire": "asks why no data arrives",
    "Allow": "sets how many bytes may arrive before the next check",
    "Widen": "changes its number of connections",
    "MeasureDisk": "measures the disk",
    "CleanUp": "cleans up after an earlier attempt",
    "Exit": "ends",
}
"""By the names of commands; what is not here (stages, notices) goes without saying."""


def decisions(names: Iterable[str]) -> str:
    """Commands, by their names in a recording, as a list for people; empty when nothing is worth telling."""
    told = dict.fromkeys(DECIDED[name] for name in (each.split(" ")[0] for each in names) if name in DECIDED)
    return ", ".join(told)


_NAMED = pattern(r" (\d+)(?:\.\d+)?$")
"""The row in the name of a command: `Detect 3.1`, `Tell download_claimed 3`."""


def rows_named(names: Iterable[str]) -> tuple[int, ...]:
    """The rows that commands are about, by their names in a recording."""
    return tuple(dict.fromkeys(int(found[1]) for name in names if (found := _NAMED.search(name))))


def rows_of(event: Event, owners: dict[str, int]) -> tuple[int, ...]:
    """The rows that an event is about, by their ids; `owners` tells those of gids."""
    match event:
        case e.RowsPolled():
            seen = [row.attempt.download_id for row in event.claimed] + [row.id for row in event.watched]
            return tuple(dict.fromkeys([*seen, *event.swept]))
        case e.Recovered():
            return tuple(row.attempt.download_id for row in event.rows)
        case e.TransferNotified():
            return (owners[event.gid],) if event.gid in owners else ()
        case e.TransfersReported():
            return tuple(dict.fromkeys(owners[report.gid] for report in event.reports if report.gid in owners))
        case e.AskFailed():
            return tuple(dict.fromkeys(owners[gid] for gid in event.gids if gid in owners))
    attempt = getattr(event, "attempt", None)
    return () if attempt is None else (attempt.download_id,)


def reason(event: Event) -> str:
    """What happened."""
    match event:
        case e.DatabaseChanged():
            return f"somebody wrote into the database ({event.layer})"
        case e.RowsPolled():
            return _rows_polled(event)
        case e.Recovered():
            return f"an earlier run left {len(event.rows)} rows under way and {len(event.leftovers)} to clear up behind"
        case e.DatabaseFailed():
            return f"the database could not be used: {clean(event.failure.text)}"
        case e.LeaseRenewed():
            return "the lease is renewed"
        case e.RenewalFailed():
            return f"the lease could not be renewed: {clean(event.failure.text)}"
        case e.TakenOver():
            if event.failed:
                return "what lost machines had could not be taken over"
            return "what lost machines had waits again" if event.any else "nothing was taken over"
        case e.Aria2Connected():
            return f"aria2 {clean(event.version)} is connected"
        case e.Aria2Lost():
            return f"the connection to aria2 is lost: {clean(event.reason)}"
        case e.TransferNotified():
            return f"aria2 tells: {event.what}"
        case e.TransfersReported():
            return f"aria2 answers: {'; '.join(_report(report) for report in event.reports[:3])}" + _more(event.reports)
        case e.AllowanceUsed():
            return f"as much has come as was allowed ({size(event.passed)} in all)"
        case e.AskFailed():
            return f"aria2 did not answer: {clean(event.failure.text)}"
        case e.DiskMeasured(free=None):
            return "how much room the disk has cannot be seen from here"
        case e.DiskMeasured():
            return f"{size(event.free)} are free on the disk"
        case e.HoursChanged(open=now_open):
            return "downloads start from now on (HOURS)" if now_open else "no download starts outside HOURS"
        case e.TimePassed():
            return "time has passed"
        case e.ShutdownRequested(until=float()):
            return f"it is asked to end ({clean(event.reason)}), and may let what is under way end before"
        case e.ShutdownRequested():
            return f"it is asked to end ({clean(event.reason)})"
        case _:
            return _of_one_row(event)


def _of_one_row(event: Event) -> str:
    match event:
        case e.Saved():
            return "how it ended is committed"
        case e.SaveStale():
            return "a write was refused: the row is in another state"
        case e.SaveRejected():
            return f"the bot's table does not take a write: {clean(event.failure.text, 500)}"
        case e.PlanRead():
            return "what was planned for it is read"
        case e.Detected():
            return f"it is {event.detection.kind}: {clean(event.detection.why)}"
        case e.Extracted():
            title = clean(event.extraction.title or "without a title")
            return f"there is to fetch: {title}, {len(event.extraction.fetches)} part(s), {size(event.extraction.size)}"
        case e.Listed():
            return (
                f"it is a list: {clean(event.listing.title or 'without a title')}, {len(event.listing.entries)} entries"
            )
        case e.EntriesSaved():
            return "entries have their rows"
        case e.Reclassified():
            return f"it is rather {event.detection.kind}: {clean(event.detection.why)}"
        case e.TransfersAdded():
            return f"aria2 took {len(event.numbers)} transfer(s)"
        case e.AddFailed():
            return f"aria2 may not have taken {len(event.numbers)} transfer(s): {clean(event.failure.text)}"
        case e.TransfersRemoved():
            return "nothing of it is left in aria2"
        case e.RemoveFailed():
            return f"it could not be taken out of aria2: {clean(event.failure.text)}"
        case e.Joined():
            return f"{100 * event.share:.0f} % of it are joined"
        case e.Finished():
            return f"it stands under its name: {clean(event.path, 1000)}, {size(event.size)}"
        case e.WorkFailed():
            return f"it failed: {clean(event.failure.text, 500)}"
        case e.Discarded():
            return "its files are gone"
        case e.CleanedUp():
            return "what an earlier attempt left is gone"
    raise AssertionError(f"no words for {event!r}")


def _rows_polled(event: e.RowsPolled) -> str:
    told = [f"{len(event.claimed)} claimed"] * bool(event.claimed)
    told += [f"#{row.id} is {clean(row.status)}{', cancelled' if row.cancelled else ''}" for row in event.watched]
    told += [f"{len(event.swept)} cancelled before they began"] * bool(event.swept)
    told += [f"#{each.attempt.download_id} is over with its entries: {each.status}" for each in event.lists]
    told += [f"the next is due in {span(event.due_in_s)}"] if event.due_in_s is not None else []
    return f"the rows: {'; '.join(told) or 'nothing new'}"


def _report(report: e.TransferReport) -> str:
    if report.status is e.TransferStatus.ERROR:
        return f"error {report.error_code}: {clean(report.error_message)}"
    done = f" {size(report.completed)} of {size(report.total)}" if report.total else ""
    return f"{report.status}{done}"


def _more(reports: tuple[e.TransferReport, ...]) -> str:
    return f"; and {len(reports) - 3} more" if len(reports) > 3 else ""
