"""Tables as bots of the field have them: each with its own key, words, and odds and ends."""

from __future__ import annotations

from dataclasses import dataclass, field

FULL = "queued=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled"


@dataclass(frozen=True)
class Shape:
    """A table, how it is attached, and how the bot of it says things."""

    name: str
    schema: tuple[str, ...]
    table: str
    url: str
    words: str
    insert: str
    """`?` is the URL, `:n` in it the number of the row."""
    row: str
    """Which row is number `:n`."""
    state: str
    """What the bot reads as its status."""
    says: dict[str, str]
    """What it writes or reads for each status; a status that is missing has no word."""
    status: tuple[str, ...] = ("state",)
    further: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    writes: dict[str, str] = field(default_factory=dict)
    """How the bot writes a word, where that is not `status = word`."""


USUAL = {"pending": "queued", "downloading": "running", "downloaded": "done", "failed": "failed"} | {
    "cancelled": "stopped"
}


def usual(name: str, schema: str, insert: str, **more: object) -> Shape:
    given: dict[str, object] = {"table": "jobs", "url": "link", "words": FULL, "row": "id = :n", "state": "state"}
    given |= {"says": USUAL, "schema": tuple(schema.split(";;")), "insert": insert, "name": name} | more
    return Shape(**given)  # type: ignore[arg-type]


SHAPES = [
    usual(
        "a plain table with whole numbers for keys",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, link TEXT, state TEXT DEFAULT 'queued', path TEXT,
        rank INTEGER)""",
        "INSERT INTO jobs (link, rank) VALUES (?, 0)",
        further={"priority": "rank", "file_path": "path"},
    ),
    usual(
        "UUIDs as text",
        "CREATE TABLE jobs (id VARCHAR(36) PRIMARY KEY, link TEXT NOT NULL, state VARCHAR(16) NOT NULL, path TEXT)",
        "INSERT INTO jobs VALUES (printf('%08d-4f5a-11ee', :n), ?, 'queued', NULL)",
        row="id = printf('%08d-4f5a-11ee', :n)",
        further={"file_path": "path"},
    ),
    usual(
        "UUIDs as bytes, and no rowid",
        "CREATE TABLE jobs (id BLOB PRIMARY KEY, link TEXT, state TEXT, path TEXT) WITHOUT ROWID",
        "INSERT INTO jobs VALUES (CAST(printf('key-%d', :n) AS BLOB), ?, 'queued', NULL)",
        row="id = CAST(printf('key-%d', :n) AS BLOB)",
        further={"file_path": "path"},
    ),
    usual(
        "a key of two columns",
        """CREATE TABLE jobs (chat INTEGER, message TEXT, link TEXT, state TEXT DEFAULT 'queued', path TEXT, note TEXT,
        PRIMARY KEY (chat, message)) WITHOUT ROWID""",
        "INSERT INTO jobs (chat, message, link) VALUES (7, :n, ?)",
        row="chat = 7 AND message = CAST(:n AS TEXT)",
        further={"owner": "chat", "file_path": "path"},
    ),
    usual(
        "statuses as whole numbers",
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT, state INTEGER NOT NULL DEFAULT 0, path TEXT)",
        "INSERT INTO jobs (link) VALUES (?)",
        words="0=pending,1=downloading,2=downloaded,-1=failed,9=cancelled",
        says={"pending": 0, "downloading": 1, "downloaded": 2, "failed": -1, "cancelled": 9},
        further={"file_path": "path"},
    ),
    usual(
        "a status that is NULL for what waits",
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT, state TEXT, path TEXT)",
        "INSERT INTO jobs (link) VALUES (?)",
        words="NULL=pending,running=downloading,done=downloaded,failed=failed,stopped=cancelled",
        says=USUAL | {"pending": None},
        further={"file_path": "path"},
    ),
    usual(
        "two flags in place of a status",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT, done BOOLEAN DEFAULT 0, failed BOOLEAN DEFAULT 0,
        stop BOOLEAN DEFAULT 0, path TEXT)""",
        "INSERT INTO jobs (link) VALUES (?)",
        words="0+0=pending,1+0=downloaded,0+1=failed",
        status=("done", "failed"),
        state="done || '+' || failed",
        says={"pending": "0+0", "downloaded": "1+0", "failed": "0+1"},
        writes={"pending": "done = 0, failed = 0, stop = 0", "cancelled": "stop = 1"},
        further={"cancelled": "stop", "file_path": "path"},
    ),
    usual(
        "columns that are NOT NULL, and times in two fashions",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued',
        path TEXT NOT NULL DEFAULT '', why VARCHAR(200) NOT NULL DEFAULT '', percent INTEGER NOT NULL DEFAULT 0,
        heading TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        seen INTEGER NOT NULL DEFAULT (strftime('%s', 'now')))""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path", "error": "why", "progress": "percent", "title": "heading"},
    ),
    usual(
        "a CHECK, and a STRICT table",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped', 'sent')), path TEXT, percent INTEGER,
        CHECK (state <> 'done' OR path IS NOT NULL)) STRICT""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path", "progress": "percent"},
    ),
    usual(
        "triggers of its own",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, link TEXT, state TEXT DEFAULT 'queued', path TEXT, changed TEXT);;
        CREATE TABLE log (job INTEGER, was TEXT, state TEXT);;
        CREATE TRIGGER touched AFTER UPDATE OF state, path ON jobs
        BEGIN UPDATE jobs SET changed = CURRENT_TIMESTAMP WHERE id = NEW.id; END;;
        CREATE TRIGGER logged AFTER UPDATE OF state ON jobs WHEN NEW.state IS NOT OLD.state
        BEGIN INSERT INTO log VALUES (NEW.id, OLD.state, NEW.state); END""",
        "INSERT INTO jobs (link) VALUES (?)",
        further={"file_path": "path"},
    ),
    usual(
        "a URL that is generated from parts",
        """CREATE TABLE jobs (id INTEGER PRIMARY KEY, host TEXT DEFAULT 'http://host.example/', tail TEXT,
        link TEXT AS (host || tail) VIRTUAL, state TEXT DEFAULT 'queued', path TEXT,
        name TEXT AS (replace(path, '/', ' ')) STORED)""",
        "INSERT INTO jobs (tail) VALUES (replace(?, 'http://host.example/', ''))",
        further={"file_path": "path"},
    ),
    usual(
        "a table that goes with its chat",
        """CREATE TABLE chats (id INTEGER PRIMARY KEY);;
        INSERT INTO chats VALUES (1), (2), (3), (4), (5);;
        CREATE TABLE jobs (id INTEGER PRIMARY KEY, chat INTEGER NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
        link TEXT, state TEXT DEFAULT 'queued', path TEXT)""",
        "INSERT INTO jobs (chat, link) VALUES (:n, ?)",
        further={"owner": "chat", "file_path": "path"},
    ),
    usual(
        "names that have to be quoted",
        """CREATE TABLE "Die ""Aufträge"" der Bots" ("Der Schlüssel" TEXT PRIMARY KEY, "die URL" TEXT,
        "state's" TEXT DEFAULT 'in ''Arbeit''', "select" TEXT)""",
        """INSERT INTO "Die ""Aufträge"" der Bots" ("Der Schlüssel", "die URL") VALUES ('Nr. ' || :n, ?)""",
        table='Die "Aufträge" der Bots',
        url="die URL",
        status=("state's",),
        state='"state\'s"',
        words="in 'Arbeit'=pending,läuft=downloading,fertig=downloaded,kaputt \U0001f4a5=failed,halt=cancelled",
        says={"pending": "in 'Arbeit'", "downloading": "läuft", "downloaded": "fertig", "cancelled": "halt"}
        | {"failed": "kaputt \U0001f4a5"},
        row="\"Der Schlüssel\" = 'Nr. ' || :n",
        further={"file_path": "select"},
    ),
]
