"""What may go wrong underneath, and what each must lead to; `python -m tests.faults` writes it into README.md with
the tests that show it: those that carry `@pytest.mark.fault(...)` with the number of the line."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
README = Path(__file__).with_name("README.md")
HEAD = """# Faults

What may go wrong underneath, what it must lead to, and the tests that show it (`pytest -m fault`). Written by
`python -m tests.faults`; a test holds that it is complete.

| | fault → what it leads to | shown by |
| --- | --- | --- |
"""
LINES = (
    "A bot commits with `synchronous=FULL` on a slow disk → the row is found after its COMMIT, the last one too",
    "A row is inserted between the first reading and the first scan → found",
    "inotify overflows, or its limit is reached, or it reports nothing → the poll finds it; reported once",
    "The bot's last close deletes the `-wal`, which is then recreated → nothing is lost",
    "`wal_checkpoint(TRUNCATE)`, `VACUUM` → a ring for nothing at the most, no error",
    "The database is replaced by a rename or a restore → opened anew, its rows taken up, what was under way stopped",
    "The database is deleted → a clear error, no new empty file, taken up when it is back",
    "A bot holds the write lock for a minute → aria2 goes on; what was to be written is written in one go, when the"
    " lock is gone",
    "BUSY_SNAPSHOT: a reading transaction that wants to write",
    "A bot with a rollback journal; a database that may not be written → served; refused with the reason",
    "The disk of the database is full → what was to be written is kept and tried again, no loop of crashes",
    "Missing, further and odd columns; NULL, blob or huge text as URL; an unknown status → the row fails or is left"
    " alone, the others go on",
    "`INSERT OR REPLACE` of a row under way; a row deleted under way → the old transfer is stopped, a new row is new",
    "`cancelled` at any moment: before the add, during it, while waiting, running, joining → one final status, nothing"
    " left",
    "`cancelled` 1 → 0 → 1 quickly → the last value wins",
    "A task is cancelled inside a transaction → committed or rolled back, no lock left",
    "SIGKILL of reactor at any moment → the next run adopts what lives; nothing is downloaded twice",
    "SIGKILL of aria2c during a transfer → it is restarted, the transfer resumes",
    "The bot dies → the reactor it launched ends soon, its aria2c too",
    "Two reactors on one database → the second is refused",
    "The WebSocket breaks with 100 under way, events are lost → asked about; every row gets to its end",
    "The answer to an addUri is lost → found by its gid, not added twice",
    "aria2 was started again and knows no gid → what was not finished is added again",
    "`id: null`, unknown methods and gids, broken JSON, events that come twice or in another order → passed over",
    "aria2 does not answer for long → the question has a deadline, nothing is added twice, no aria2c is killed; after"
    " a limit our own is started again",
    "A wrong secret; another program on the port → a sentence, and no storm of tries",
    "A remote aria2c with downloads of others and a folder of its own → never touched",
    "A torrent of 10 000 files, one of 2.5 MB → taken; the connection survives",
    "More than 1000 finished results → no row that is done fails because aria2 forgot it",
    "Refused, reset, TLS errors, an expired certificate, timeouts → tried again, or not, as each deserves",
    "403, 404, 410, 416, 429 with Retry-After, 5xx, endless redirects → as `failures.py` and `aria2/failures.py` say",
    "A body cut short, a wrong Content-Length, ranges ignored, an ETag that changed, an empty file → never published"
    " with a wrong size",
    "A server that sends a byte a second, or stalls at 99 % → stopped, tried again where it was, then failed",
    "A web page instead of the file → its content is checked, it is not published as the file",
    "A name that does not resolve, or resolves to another address the second time → tried again; refused when dialled",
    "`127.1`, `0177.0.0.1`, `2130706433`, `[::ffff:…]`, NAT64, 6to4, odd digits, `user@host` → refused",
    "A redirect to a metadata service, the RPC port, `file:`, `ftp:` → refused at the hop",
    "A redirect to another host with a cookie or Authorization → the other host gets neither",
    "User B after user A on one host → A's cookie is not sent",
    "A metalink or `.torrent` behind a link; a torrent with internal trackers or web seeds → not followed; refused",
    "A URL or header with CR, LF, NUL, 64 KiB, invalid UTF-8, IDN, spaces, `--option` → refused or encoded",
    "A name such as `../../x`, `/abs`, `.`, 300 bytes, RTL, `con`, `.desktop`, or one that is taken → clean and unique",
    "A full disk, a read-only one, no permission → the queue is held or the row fails; resumed when there is space",
    "A magnet without peers, metadata that never comes, one info hash twice, a private torrent, several files, seeding"
    " → a sentence; followed; waits for its twin; done at 100 %",
    "yt-dlp hangs, is killed, prints nonsense; lists, live streams, DRM, geo-blocks, sign-ins → a sentence, killed as a"
    " group",
    "No yt-dlp, no deno, no ffmpeg, or too old ones → doctor says so; direct links and torrents go on",
    "An extracted URL expires during the transfer (403) → the page is extracted again, and the transfer resumes",
    "A page that loops, allocates, opens dialogs and popups, asks localhost by WebSocket, installs a service worker,"
    " crashes, never ends → ended at its limit, the next row goes on, no browser is left",
    "The clock jumps → retries neither storm nor sleep for ever",
    "10 000 rows at once, all cancelled at once, a million finished rows → served in order, scans stay indexed (how"
    " late the event loop is stands in the metrics)",
    "SIGTERM in each stage and in the midst of writing, a second one, a closed pipe → a clean end, all of it resumable",
    "Reconnects all the time → descriptors, threads and memory stay as they were",
    "Ctrl-C at any moment of `SyncQueue`, a fork with one open, a program that never closes it → it ends, or is told",
    "Many cookies or long headers × many parts, a plan of hundreds of MB from before → each stands once, bounded; too"
    " much of it ends in a sentence",
    "A stranger's file in the bot's working folder that is named like a module → nobody's code",
    "A bot that is a program of its own (frozen, embedded) → started once, and told to name a Python",
    "The bot's token, proxies and secrets in the environment → no child gets them",
    "One part named 20 000 times, overlapping encrypted ranges, a small file that unfolds into a large one; a disk that"
    " fills up while it is joined → `MAX_FILE_SIZE_MIB` and `MIN_FREE_DISK_MIB` hold for all that is written, with a"
    " sentence",
    "Another user of this machine reads the database's files, or takes a lock on one → may not; if he may, it is told",
    "A document that its parser hangs at, or takes all memory for, or dies of → it is killed, a sentence, others are"
    " served, a cancel and SIGTERM work at once",
    "Numbers of eleven letters that take hours (`1e20000000`), of 5000 digits, negative ones → none, or a sentence",
    "Another engine in aria2's place that speaks its RPC (aria2-next) → refused with a sentence",
    "Idle connections to aria2's RPC port, more than the daemon may have descriptors → downloads go on",
    "Tokens that are guessed, a cookie that somebody has kept → late answers, told; over when its owner signs out",
    "A length that no file has (2^62), told only when the file is fetched → a sentence; aria2 and everybody else's"
    " downloads live on",
    "The process dies with a row each time it works on it → with the third death the row fails, the others go on",
    "Numbers of a manifest that are nominal, rounded, negative or missing → a film that is whole is not thrown away; it"
    " lasts what its parts last",
    "A part that is cut short, a picture, an archive or a page in place of one, a hole in the midst → fetched again,"
    " else a sentence",
    "Periods and discontinuities with other clocks, without sound, in another codec → one film with all of it, or a"
    " sentence",
    "Picture and sound at two addresses, the first piece of many, one list of several periods → both halves and all"
    " periods, or a sentence",
    "A document of twice the length → twice the time, whatever it repeats",
    "Any bytes as a document or a header → understood, or a sentence",
    "A server that gives little for hours, a magnet link that nobody answers → after a minute others are served beside"
    " it",
    "A download that takes hours has the only slot, and others wait → after SLICE it gives way, keeps what is there and"
    " goes on later; what cannot go on where it was is never cut",
    "One of several machines on one queue is killed, stopped or cut off, its sessions end, the server is started anew →"
    " others take over what it had; no file is lost, and none is published twice",
    "A machine that serves a queue with others is cut off from the database, or stopped → before anybody takes its rows"
    " over its transfers are stopped; back again it goes on with what is still its own and publishes nothing else",
)
REASONS = {
    9: "It cannot happen here: what writes begins with BEGIN IMMEDIATE, what only reads never goes on to write"
    " (`database/sql/connection.py`).",
}


def named(*, nightly: bool = True) -> dict[int, list[str]]:
    """The tests by the numbers of the lines they name, with or without those that run nightly only."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if "mark.fault" not in (text := path.read_text()):
            continue
        for node in _parsed(text):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if not nightly and any(ast.unparse(mark) == "pytest.mark.nightly" for mark in node.decorator_list):
                    continue
                for number in (number for mark in node.decorator_list for number in _numbers(mark)):
                    found.setdefault(number, []).append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


@cache
def _parsed(text: str) -> list[ast.AST]:
    """Its functions, also those of its classes."""
    body = ast.parse(text).body
    classes = [each for each in body if isinstance(each, ast.ClassDef)]
    return [*body, *(each for one in classes for each in one.body)]


def _numbers(mark: ast.expr) -> list[int]:
    if not isinstance(mark, ast.Call) or ast.unparse(mark.func) != "pytest.mark.fault":
        return []
    return [int(ast.literal_eval(argument)) for argument in mark.args]


def page() -> str:
    """README.md as it should be."""
    tests = named()
    rows = []
    for number, line in enumerate(LINES, 1):
        shown = [f"`{name}`" for name in tests.get(number, [])]
        shown += [REASONS[number]] if number in REASONS else []
        rows.append(f"| {number} | {line} | {'<br>'.join(shown)} |\n")
    return HEAD + "".join(rows)
